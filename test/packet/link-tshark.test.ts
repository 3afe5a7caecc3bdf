import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { EtherType } from '../../src/packet/walk.js';
import { hasProgram } from '../support/programs.js';
import { LINK_CASES, type LinkCase } from './link-cases.js';
import { bytes, words } from './link-support.js';

/** A little-endian pcapng block. */
function block(type: number, body: Uint8Array): Buffer {
  const padded = (body.length + 3) & ~3;
  const out = Buffer.alloc(padded + 12);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(out.length, 4);
  out.set(body, 8);
  out.writeUInt32LE(out.length, out.length - 4);
  return out;
}

/** A pcap file with one packet. */
function single({ link, frame }: LinkCase): Uint8Array {
  return bytes(words(0xa1b2c3d4, 0x00040002, 0, 0, 65535, link, 0, 0, frame.length, frame.length), frame);
}

/** One interface and one packet for each case, so that a single run of tshark reads all of them. */
function captureOf(cases: typeof LINK_CASES): Buffer {
  const blocks = [block(0x0a0d0d0a, words(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff))];
  for (const { link } of cases) blocks.push(block(1, words(link, 0)));
  for (const [i, { frame }] of cases.entries()) {
    blocks.push(block(6, bytes(words(i, 0, i, frame.length, frame.length), frame)));
  }
  return Buffer.concat(blocks);
}

function inFolder(run: (folder: string) => void): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-link-'));
  try {
    run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const needs = (program: string): { skip: string | false } => ({
  skip: hasProgram(program) ? false : `${program} is not installed`,
});

test('tshark finds the same packets in the hand-made frames', needs('tshark'), () => {
  inFolder((folder) => {
    const cases = LINK_CASES.filter(({ reader }) => reader === undefined);
    const file = path.join(folder, 'frames.pcapng');
    writeFileSync(file, captureOf(cases));
    const fields = ['-e', 'ip.src', '-e', 'ipv6.src', '-e', 'udp.payload'];
    const run = spawnSync('tshark', ['-n', '-r', file, '-T', 'fields', ...fields], { encoding: 'utf8' });
    const lines = run.stdout.split('\n').slice(0, -1);
    assert.equal(lines.length, cases.length, run.stderr);
    const payload = '68656c6c6f';
    const differ: string[] = [];
    for (const [i, { name, link, etherType }] of cases.entries()) {
      const wanted = etherType === EtherType.ipv6 ? `\t2001:db8::1\t${payload}` : `10.1.2.3\t\t${payload}`;
      if (lines[i] !== wanted) differ.push(`${link} ${name}: ${lines[i]}`);
    }
    assert.deepEqual(differ, []);
  });
});

test('tcpdump finds the same packets where tshark does not read the link layer', needs('tcpdump'), () => {
  inFolder((folder) => {
    for (const frame of LINK_CASES.filter(({ reader }) => reader === 'tcpdump')) {
      const file = path.join(folder, 'frame.pcap');
      writeFileSync(file, single(frame));
      const run = spawnSync('tcpdump', ['-n', '-t', '-r', file], { encoding: 'utf8' });
      const [source, destination] =
        frame.etherType === EtherType.ipv6 ? ['2001:db8::1', '2001:db8::2'] : ['10.1.2.3', '10.9.8.7'];
      assert.match(run.stdout, new RegExp(`${source}\\.4000 > ${destination}\\.4001: UDP, length 5`), frame.name);
    }
  });
});
