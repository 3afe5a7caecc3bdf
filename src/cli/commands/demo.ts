import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArguments } from '../parse.js';
import { findCommand } from '../spec.js';
import { runRead } from './read.js';

/** The sample that is part of the package. */
const SAMPLE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../../samples/house.pcapng');

/** `rheo demo`. Returns the exit code. */
export async function runDemo(): Promise<number> {
  const code = await runRead(parseArguments(findCommand('read')!, ['--no-progress', SAMPLE]));
  process.stderr.write('\nNext: npx rheo read FILE shows your own capture; npx rheo read --help tells what else.\n');
  return code;
}
