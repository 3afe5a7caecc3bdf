import { execFileSync } from 'node:child_process';

/** What ipfixDump (libfixbuf) reads in IPFIX messages, one after the other in a file. Biflows: both directions together. */
export function dumpedIpfix(file: string): { flows: number; packets: number; bytes: number } {
  const text = execFileSync('ipfixDump', ['--in', file, '--rfc5610', '--data'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const sum = (name: RegExp): number => [...text.matchAll(name)].reduce((all, [, value]) => all + Number(value), 0);
  return {
    flows: [...text.matchAll(/ packetDeltaCount : /g)].length,
    packets: sum(/ (?:packetDeltaCount|reversePacketDeltaCount) : (\d+)/g),
    bytes: sum(/ (?:octetDeltaCount|reverseOctetDeltaCount) : (\d+)/g),
  };
}
