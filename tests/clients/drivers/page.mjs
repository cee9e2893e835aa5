// The transfer of `pages/objects.py` with the AWS SDK for JavaScript v3: everything it needs is in the environment.
//
// usage: node page.mjs FILE BUCKET KEY BACK

import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

const [file, Bucket, Key, back] = process.argv.slice(2);
const client = new S3Client({ forcePathStyle: true });
await new Upload({ client, queueSize: 1, params: { Bucket, Key, Body: createReadStream(file) } }).done();
const stored = await client.send(new GetObjectCommand({ Bucket, Key }));
await pipeline(stored.Body, createWriteStream(back));
