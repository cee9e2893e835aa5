// The AWS SDK for JavaScript v3 with nothing but its defaults: credentials come from the environment.
// usage: node container.mjs ENDPOINT REGION BUCKET KEY

import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';

const [endpoint, region, Bucket, Key] = process.argv.slice(2);
const client = new S3Client({ endpoint, region, forcePathStyle: true, maxAttempts: 1 });
const answer = await client.send(new GetObjectCommand({ Bucket, Key }));
process.stdout.write(await answer.Body.transformToString());
