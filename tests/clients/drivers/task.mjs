// What a driver is to do, and how it reports: see matrix/scripts.py.

import { readFileSync } from 'node:fs';

const lines = readFileSync(process.argv[2], 'utf8').trimEnd().split('\n');

export const task = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));

export const key = (name) => task.prefix + name;

export async function step(operation, run) {
  let told;
  try {
    told = (await run()) ?? ['done'];
  } catch (error) {
    told = ['error', `${error.name}: ${error.message}`.replaceAll(/\s+/g, ' ')];
  }
  console.log([operation, ...told].join('\t'));
}
