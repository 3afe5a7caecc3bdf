import { statSync } from 'node:fs';
import { ErrorCode, RheoError } from '../core/errors.js';
import type { ParsedArguments } from './parse.js';

const CAPTURE_NAME = /\.(pcapng|pcap|cap|dump|dmp|trc|ntar)\d*(\.(gz|zst))?$/i;
/** Words that a pcap filter can begin with, so that a quoted filter with a slash in it is no path. */
const FILTER_WORD =
  /^(\(|!|not\b|host\b|net\b|port\b|portrange\b|proto\b|src\b|dst\b|ip6?\b|tcp\b|udp\b|icmp6?\b|sctp\b|arp\b|ether\b|vlan\b|mpls\b|less\b|greater\b|gateway\b|broadcast\b|multicast\b)/;

function looksLikePath(operand: string): boolean {
  if (operand === '-') return true;
  if (/\s/.test(operand) && FILTER_WORD.test(operand)) return false;
  return operand.includes('/') || CAPTURE_NAME.test(operand);
}

/** False only if there is surely nothing; that something may not be read is for the reader to say. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOTDIR';
  }
}

export interface FilesAndFilter {
  readonly files: readonly string[];
  /** Expression, or undefined if there is none. */
  readonly filter: string | undefined;
}

/**
 * Parts files from filter words: leading operands that exist as files or look like paths are files, the rest is the filter;
 * what follows `--` is filter too.
 * @throws RheoError `RHEO_USAGE` if there is no file, `RHEO_INPUT` for one that does not exist
 */
export function splitOperands(parsed: ParsedArguments, exists: (path: string) => boolean = isThere): FilesAndFilter {
  const files = [...((parsed.values.get('read') as readonly string[] | undefined) ?? [])];
  const { operands, rest } = parsed;
  let next = 0;
  // With `--` the border is given, and everything before it is a file.
  while (next < operands.length && (rest !== undefined || exists(operands[next]) || looksLikePath(operands[next]))) {
    files.push(operands[next++]);
  }
  if (files.length === 0) {
    const word = operands[0];
    if (word === undefined) {
      throw new RheoError(ErrorCode.usage, 'no capture file is given', {
        remedy: 'Try: rheo read FILE, with - for standard input; or: rheo demo',
      });
    }
    throw noSuchFile(word);
  }
  for (const file of files) if (file !== '-' && !exists(file)) throw noSuchFile(file);
  if (files.indexOf('-') !== files.lastIndexOf('-')) {
    throw new RheoError(ErrorCode.usage, 'standard input (-) is given twice', { remedy: 'Name it once.' });
  }
  const words = [...operands.slice(next), ...(rest ?? [])];
  return { files, filter: words.length === 0 ? undefined : words.join(' ') };
}

function noSuchFile(path: string): RheoError {
  return new RheoError(ErrorCode.input, `${path}: no such file`, {
    remedy: 'Name the capture first, then the filter: rheo read FILE tcp port 443',
  });
}
