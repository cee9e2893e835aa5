// The AWS SDK for JavaScript v3. `choice` says what a body is: `buffer` or `stream`.

import { createReadStream, readFileSync } from 'node:fs';

import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

import { key, step, task } from './task.mjs';

const Bucket = task.bucket;
const client = new S3Client({ endpoint: task.endpoint, region: task.region, forcePathStyle: true, maxAttempts: 1 });
const body = (file) => (task.choice === 'stream' ? createReadStream(file) : readFileSync(file));

async function put(name, file) {
  const answer = await client.send(new PutObjectCommand({ Bucket, Key: key(name), Body: body(file) }));
  return ['etag', answer.ETag];
}

async function get(Range) {
  const answer = await client.send(new GetObjectCommand({ Bucket, Key: key('small.bin'), Range }));
  return ['bytes', await answer.Body.transformToString('base64')];
}

await step('put', () => put('small.bin', task.small));
await step('put empty', () => put('empty.bin', task.empty));
await step('put in parts', async () => {
  const params = { Bucket, Key: key('large.bin'), Body: body(task.large) };
  const answer = await new Upload({ client, params, partSize: Number(task.part_size) }).done();
  return ['etag', answer.ETag];
});
await step('get', () => get());
await step('get range', () => get(`bytes=${task.first}-${task.last}`));
await step('head', async () => {
  const answer = await client.send(new HeadObjectCommand({ Bucket, Key: key('small.bin') }));
  return ['object', answer.ETag, answer.ContentLength];
});
await step('list keys', async () => {
  const keys = [];
  for await (const page of paginateListObjectsV2({ client, pageSize: 4 }, { Bucket, Prefix: task.prefix })) {
    keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
  }
  return ['keys', ...keys];
});
await step('copy', async () => {
  const CopySource = `${Bucket}/${key('small.bin')}`;
  const answer = await client.send(new CopyObjectCommand({ Bucket, Key: key('copy.bin'), CopySource }));
  return ['etag', answer.CopyObjectResult.ETag];
});
await step('delete', async () => {
  await client.send(new DeleteObjectCommand({ Bucket, Key: key('going.bin') }));
});
await step('delete many', async () => {
  const Objects = ['going-1.bin', 'going-2.bin'].map((name) => ({ Key: key(name) }));
  const answer = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  if (answer.Errors?.length) throw new Error(JSON.stringify(answer.Errors));
});
