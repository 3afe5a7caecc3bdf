import path from 'node:path';
import type { CompressionName, FileFormatName } from '../target-url.js';
import { MEMBER_HEAD, memberLength } from './compress.js';
import type { FileSystem, OpenFile } from './file-system.js';
import type { NamePattern } from './name-pattern.js';

const BLOCK = 64 * 1024;

/** Finds where the part of a cut file ends that is whole; 0 if nothing of it is. It may repair what is before. */
export type FindWhole = (file: OpenFile, size: number) => Promise<number>;

/** Reads up to `length` bytes at `position`; fewer at the end. */
export async function readAt(file: OpenFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let have = 0;
  while (have < length) {
    const { bytesRead } = await file.read(bytes, have, length - have, position + have);
    if (bytesRead === 0) break;
    have += bytesRead;
  }
  return bytes.subarray(0, have);
}

/** Lines: up to the last line end. */
export const wholeLines: FindWhole = async (file, size) => {
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - BLOCK);
    const at = (await readAt(file, from, end - from)).lastIndexOf(10);
    if (at >= 0) return from + at + 1;
    end = from;
  }
  return 0;
};

/** Units that tell their length at their head. */
export function wholeUnits(headBytes: number, lengthOf: (head: Buffer) => number, start = 0): FindWhole {
  return async (file, size) => {
    let at = start;
    while (at + headBytes <= size) {
      const length = lengthOf(await readAt(file, at, headBytes));
      if (length <= 0 || at + length > size) break;
      at += length;
    }
    return Math.min(at, size);
  };
}

/** IPFIX messages (RFC 7011 §3.1): version 10, then the length. */
const wholeMessages = wholeUnits(4, (head) => (head.readUInt16BE(0) === 10 ? head.readUInt16BE(2) : 0));

export function findWhole(
  format: FileFormatName,
  compression: CompressionName,
  special: FindWhole | undefined,
): FindWhole {
  if (compression !== 'none') return wholeUnits(MEMBER_HEAD, memberLength);
  return special ?? (format === 'ipfix' ? wholeMessages : wholeLines);
}

/** True if a process of that number runs, which is not this one: a number comes again after a restart in a container. */
function runs(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Looks for files that a process which is gone left unfinished, cuts them behind their last whole part, and gives them their
 * names (with a number if one is taken). Only regular files in the directory of the pattern are looked at.
 * @returns names of the files that were recovered
 */
export async function recoverFiles(files: FileSystem, names: NamePattern, find: FindWhole): Promise<string[]> {
  const recovered: string[] = [];
  const walk = async (directory: string, level: number): Promise<void> => {
    for (const name of await files.list(directory)) {
      const where = path.join(directory, name);
      if (level < names.levels.length - 1) {
        if (names.levels[level].test(name) && (await files.facts(where))?.isDirectory) await walk(where, level + 1);
        continue;
      }
      const match = names.partial.exec(name);
      if (match === null || runs(Number(match[2]))) continue;
      const facts = await files.facts(where);
      if (facts === undefined || !facts.isFile) continue;
      const final = await recoverFile(files, where, path.join(directory, match[1]), facts.size, find);
      if (final !== undefined) recovered.push(final);
    }
  };
  await walk(names.root, 0);
  return recovered;
}

async function recoverFile(
  files: FileSystem,
  temporary: string,
  wanted: string,
  size: number,
  find: FindWhole,
): Promise<string | undefined> {
  const file = await files.open(temporary, 'r+');
  let whole = 0;
  try {
    whole = await find(file, size);
    if (whole > 0) await file.truncate(whole);
  } finally {
    await file.close();
  }
  if (whole === 0) {
    // Nothing is lost with an empty file; any other is left for a person to look at.
    if (size === 0) await files.unlink(temporary);
    return undefined;
  }
  let final = wanted;
  for (let number = 1; (await files.facts(final)) !== undefined; number++) {
    final = wanted.replace(/((?:\.[a-z0-9]+)(?:\.(?:gz|zst))?)$/i, `-${number}$1`);
  }
  await files.rename(temporary, final);
  return final;
}
