// minio-js.

import { Client, CopyDestinationOptions, CopySourceOptions } from 'minio';

import { key, step, task } from './task.mjs';

const { hostname, port } = new URL(task.endpoint);
const bucket = task.bucket;
const client = new Client({
  endPoint: hostname,
  port: Number(port),
  useSSL: true,
  region: task.region,
  partSize: Number(task.part_size),
  accessKey: process.env.AWS_ACCESS_KEY_ID,
  secretKey: process.env.AWS_SECRET_ACCESS_KEY,
  sessionToken: process.env.AWS_SESSION_TOKEN,
});

async function put(name, file) {
  const answer = await client.fPutObject(bucket, key(name), file, {});
  return ['etag', answer.etag];
}

async function bytes(stream) {
  const blocks = [];
  for await (const block of stream) blocks.push(block);
  return ['bytes', Buffer.concat(blocks).toString('base64')];
}

await step('put', () => put('small.bin', task.small));
await step('put empty', () => put('empty.bin', task.empty));
await step('put in parts', () => put('large.bin', task.large));
await step('get', async () => bytes(await client.getObject(bucket, key('small.bin'))));
await step('get range', async () => {
  const first = Number(task.first);
  return bytes(await client.getPartialObject(bucket, key('small.bin'), first, Number(task.last) - first + 1));
});
await step('head', async () => {
  const stat = await client.statObject(bucket, key('small.bin'));
  return ['object', stat.etag, stat.size];
});
await step('list keys', async () => {
  const keys = [];
  for await (const entry of client.listObjectsV2(bucket, task.prefix, true)) keys.push(entry.name);
  return ['keys', ...keys];
});
await step('copy', async () => {
  const source = new CopySourceOptions({ Bucket: bucket, Object: key('small.bin') });
  const target = new CopyDestinationOptions({ Bucket: bucket, Object: key('copy.bin') });
  const answer = await client.copyObject(source, target);
  return answer.etag ? ['etag', answer.etag] : ['done'];
});
await step('delete', () => client.removeObject(bucket, key('going.bin')));
await step('delete many', async () => {
  const errors = await client.removeObjects(bucket, [key('going-1.bin'), key('going-2.bin')]);
  const failed = (errors ?? []).filter((entry) => entry?.Error ?? entry?.Code);
  if (failed.length) throw new Error(JSON.stringify(failed));
});
