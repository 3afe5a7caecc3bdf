import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PcapWriter, type PcapWriterOptions } from '../../src/codec/pcap-write.js';
import type { PacketSource } from '../../src/model/source.js';
import { type CaptureOptions, openCapture } from '../../src/observe/capture-source.js';
import { Batch } from '../../src/packet/batch.js';

export interface Packet {
  seconds: number;
  nanos: number;
  wire: number;
  iface: number;
  link: number;
  /** Captured bytes in hexadecimal. */
  data: string;
}

/** Takes what the source has at hand. */
export function take(source: PacketSource, into: Packet[], batch: Batch = new Batch()): number {
  const n = source.fill(batch);
  assert.ok(n === batch.count && n <= batch.capacity);
  for (let i = 0; i < n; i++) {
    const start = batch.offset[i];
    into.push({
      seconds: batch.seconds[i],
      nanos: batch.nanos[i],
      wire: batch.wire[i],
      iface: batch.iface[i],
      link: batch.link[i],
      data: Buffer.from(batch.bytes.subarray(start, start + batch.captured[i])).toString('hex'),
    });
  }
  return n;
}

/** All packets of a source, which is closed afterwards. */
export async function collect(source: PacketSource, capacity = 256): Promise<Packet[]> {
  const packets: Packet[] = [];
  const batch = new Batch({ capacity });
  do {
    while (take(source, packets, batch) > 0);
  } while (await source.more());
  await source.close();
  return packets;
}

/** A folder that is gone after the test. */
export function scratch(t: { after(done: () => void): void }): (name: string, content?: Uint8Array) => string {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return (name, content) => {
    const file = path.join(folder, name);
    if (content !== undefined) writeFileSync(file, content);
    return file;
  };
}

export async function readFile(
  file: string,
  options: CaptureOptions = {},
): Promise<{ source: PacketSource; packets: Packet[] }> {
  const source = await openCapture(file, options);
  return { source, packets: await collect(source) };
}

export interface Sample {
  seconds: number;
  nanos: number;
  data: Uint8Array;
  wire?: number;
}

/** A pcap file of the samples. */
export function pcap(samples: readonly Sample[], options: Partial<PcapWriterOptions> = {}): Uint8Array {
  const writer = new PcapWriter({ linkType: 1, ...options });
  const size = samples.reduce(
    (sum, { data }) => sum + writer.recordHeaderLength + data.length,
    writer.fileHeaderLength,
  );
  const out = new Uint8Array(size);
  let at = writer.writeHeader(out, 0);
  for (const { seconds, nanos, data, wire } of samples) {
    at = writer.writeRecord(out, at, seconds, nanos, data, wire ?? data.length);
  }
  return out.subarray(0, at);
}

/** Samples of rising time with content of their own. */
export function samples(count: number, from = 1_700_000_000): Sample[] {
  return Array.from({ length: count }, (_, i) => ({
    seconds: from + Math.floor(i / 10),
    nanos: (i % 10) * 100_000_000 + 7000,
    data: Uint8Array.from({ length: (i * 7) % 90 }, (_, k) => (i + k) & 0xff),
    wire: ((i * 7) % 90) + (i % 3) * 1000,
  }));
}

/** What reading the samples must give. */
export function expected(list: readonly Sample[], iface = 0, link = 1): Packet[] {
  return list.map(({ seconds, nanos, data, wire }) => ({
    seconds,
    nanos,
    wire: wire ?? data.length,
    iface,
    link,
    data: Buffer.from(data).toString('hex'),
  }));
}
