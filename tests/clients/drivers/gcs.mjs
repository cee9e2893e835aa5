// @google-cloud/storage, doing all that `test_gcs_node.py` looks at, in one process.
//
// usage: node gcs.mjs SETTINGS.json
// SETTINGS: { endpoint, credentials, bucket, small, huge, back }
// Prints one JSON document: for each step what came of it, or { error }.

import { readFileSync } from 'node:fs';
import { IdempotencyStrategy, Storage } from '@google-cloud/storage';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const storage = new Storage({
  apiEndpoint: settings.endpoint,
  keyFilename: settings.credentials,
  projectId: 'none',
  // With another endpoint than Google's nothing is authenticated unless this says so …
  useAuthWithCustomEndpoint: true,
  // … and resumable uploads only if the endpoint is of the universe.
  universeDomain: new URL(settings.endpoint).hostname,
  // Otherwise a chunk without a precondition is not sent again.
  retryOptions: { idempotencyStrategy: IdempotencyStrategy.RetryAlways },
});
const bucket = storage.bucket(settings.bucket);
const MIB = 2 ** 20;
const report = {};

async function step(name, run) {
  try {
    report[name] = (await run()) ?? 'done';
  } catch (error) {
    report[name] = { error: String(error.message), code: error.code };
  }
}

if (settings.huge) {
  await step('resumed', async () => {
    await bucket.upload(settings.huge, { destination: 'node/huge.bin', chunkSize: 8 * MIB });
  });
} else {
  await step('upload', async () => {
    await bucket.upload(settings.small, { destination: 'node/a b+ü.bin', metadata: { metadata: { 'made-by': 'the suite' } } });
  });
  await step('at once', async () => {
    await bucket.upload(settings.small, { destination: 'node/once.bin', resumable: false });
  });
  await step('download', async () => {
    await bucket.file('node/a b+ü.bin').download({ destination: settings.back });
  });
  await step('range', async () => {
    const [bytes] = await bucket.file('node/once.bin').download({ start: 100, end: 109 });
    return bytes.toString('base64');
  });
  await step('pages', async () => {
    const pages = [];
    let query = { prefix: 'node-list/', maxResults: 2, autoPaginate: false };
    while (query) {
      const [files, next] = await bucket.getFiles(query);
      pages.push(files.map((file) => file.name));
      query = next;
    }
    return pages;
  });
  await step('prefixes', async () => {
    const [, , answer] = await bucket.getFiles({ prefix: 'node-list/', delimiter: '/', autoPaginate: false });
    return answer.prefixes;
  });
  await step('copy', async () => {
    await bucket.file('node/once.bin').copy(bucket.file('node/copy.bin'));
  });
  await step('compose', async () => {
    await bucket.combine(['node/once.bin', 'node/copy.bin'], bucket.file('node/whole.bin'));
  });
  await step('move', async () => {
    await bucket.file('node/copy.bin').move('node/moved.bin');
  });
  await step('metadata', async () => {
    const [resource] = await bucket.file('node/once.bin').setMetadata({ contentType: 'text/plain' });
    return resource.contentType;
  });
  await step('buckets', async () => {
    const [buckets] = await storage.getBuckets();
    return buckets.map((one) => one.name);
  });
  await step('delete', async () => {
    await bucket.file('node/moved.bin').delete();
  });
  await step('delete many', async () => {
    await bucket.deleteFiles({ prefix: 'node-list/', force: true });
  });
  await step('refused', async () => {
    await bucket.upload(settings.small, { destination: 'sealed/node.bin' });
  });
  await step('refused at once', async () => {
    await bucket.upload(settings.small, { destination: 'sealed/node.bin', resumable: false });
  });
}
console.log(JSON.stringify(report));
