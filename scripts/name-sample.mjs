// Puts names into a capture that dumpcap wrote, and leaves out what tells of the machine that captured it:
//   node scripts/name-sample.mjs IN.pcapng HOSTS OUT.pcapng
// HOSTS has an address and a name a line. Formats: pcapng (draft-ietf-opsawg-pcapng), sections 4.1, 4.2, 4.3 and 4.5.
import { readFileSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';

const Block = { section: 0x0a0d0d0a, interface: 1, names: 4, packet: 6 };
const Option = { end: 0, comment: 1, name: 2, resolution: 9, application: 4 };

const [input, hosts, output] = process.argv.slice(2);
const bytes = readFileSync(input);
if (bytes.readUInt32LE(0) !== Block.section || bytes.readUInt32LE(8) !== 0x1a2b3c4d) {
  throw new Error(`${input} is not a little-endian pcapng file`);
}
const blocks = [];
let interfaces = 0;
for (let at = 0; at < bytes.length; ) {
  const type = bytes.readUInt32LE(at);
  const length = bytes.readUInt32LE(at + 4);
  const body = bytes.subarray(at + 8, at + length - 4);
  if (type === Block.section) {
    const comment = 'A small house, played in network namespaces by scripts/make-sample.sh';
    blocks.push(
      block(type, [body.subarray(0, 16), options([Option.comment, comment], [Option.application, 'dumpcap'])]),
    );
  } else if (type === Block.interface) {
    if (++interfaces > 1) throw new Error('one interface was expected');
    const resolution = findOption(body.subarray(8), Option.resolution);
    const kept = options([Option.name, 'lan'], ...(resolution ? [[Option.resolution, resolution]] : []));
    blocks.push(block(type, [body.subarray(0, 8), kept]), block(Block.names, names(readFileSync(hosts, 'utf8'))));
  } else if (type === Block.packet) blocks.push(bytes.subarray(at, at + length));
  at += length;
}
writeFileSync(output, Buffer.concat(blocks));

/** A block with its two lengths; parts must fill up 32-bit words. */
function block(type, parts) {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(8);
  const tail = Buffer.alloc(4);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(body.length + 12, 4);
  tail.writeUInt32LE(body.length + 12, 0);
  return Buffer.concat([head, body, tail]);
}

/** Code, length, value, filled up to 32 bits: the form of options and of name records alike. */
function item(code, value) {
  const data = Buffer.from(value);
  const out = Buffer.alloc(4 + Math.ceil(data.length / 4) * 4);
  out.writeUInt16LE(code, 0);
  out.writeUInt16LE(data.length, 2);
  data.copy(out, 4);
  return out;
}

function options(...list) {
  return Buffer.concat([...list.map(([code, value]) => item(code, value)), item(Option.end, '')]);
}

function findOption(data, wanted) {
  for (let at = 0; at + 4 <= data.length; ) {
    const code = data.readUInt16LE(at);
    const length = data.readUInt16LE(at + 2);
    if (code === Option.end) return undefined;
    if (code === wanted) return data.subarray(at + 4, at + 4 + length);
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return undefined;
}

function names(text) {
  const records = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [address, name] = line.split(/\s+/);
      const value = Buffer.concat([isIPv4(address) ? ipv4(address) : ipv6(address), Buffer.from(`${name}\0`)]);
      return item(isIPv4(address) ? 1 : 2, value);
    });
  return [...records, item(0, '')];
}

function ipv4(address) {
  return Buffer.from(address.split('.').map(Number));
}

function ipv6(address) {
  const [head, tail = ''] = address.split('::');
  const left = head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
  const out = Buffer.alloc(16);
  for (let i = 0; i < 8; i++) out.writeUInt16BE(Number.parseInt(groups[i], 16), i * 2);
  return out;
}
