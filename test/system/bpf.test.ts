import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { Assembler, Reg } from '../../src/observe/ebpf/assembler.js';
import { Bpf, closeDescriptor, MapType, VerifierError } from '../../src/system/bpf.js';
import { Region } from '../../src/system/memory.js';
import { ebpfMissing } from '../observe/ebpf-support.js';

const skip = await ebpfMissing();

/** Descriptors of this process for maps and programs. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((link) => link.includes('bpf'));
}

test('a map in memory: what is written there is what is looked up', { skip }, () => {
  const bpf = new Bpf(64);
  const before = descriptors();
  const map = bpf.createMap({
    type: MapType.array,
    name: 'rheo_test',
    keyBytes: 4,
    valueBytes: 24,
    entries: 100,
    mapped: true,
  });
  const region = new Region(4096);
  region.map(map, 0, 4096);
  const view = new DataView(region.buffer);
  view.setUint32(7 * 24 + 8, 0xcafe, true);
  assert.equal(bpf.lookup(map, 7, 24)?.getUint32(8, true), 0xcafe);
  assert.equal(bpf.lookup(map, 99, 24)?.getUint32(8, true), 0);
  assert.equal(bpf.lookup(map, 100, 24), undefined, 'behind the end there is nothing');
  assert.equal(descriptors().length, before.length + 1);
  closeDescriptor(map);
  assert.deepEqual(descriptors(), before);
});

test('maps in a map are exchanged', { skip }, async () => {
  const bpf = new Bpf(64);
  const one = { type: MapType.array, name: 'rheo_one', keyBytes: 4, valueBytes: 8, entries: 1 };
  const inner = [bpf.createMap(one), bpf.createMap(one)];
  const outer = bpf.createMap({ ...one, type: MapType.arrayOfMaps, valueBytes: 4, inner: inner[0] });
  const ids: (number | undefined)[] = [];
  for (const map of [inner[0], inner[1], undefined]) {
    await bpf.exchange(outer, 0, map);
    ids.push(bpf.lookup(outer, 0, 4)?.getUint32(0, true));
  }
  assert.equal(ids.length, 3);
  assert.notEqual(ids[0], ids[1]);
  assert.ok(ids[0] !== undefined && ids[1] !== undefined);
  assert.equal(ids[2], undefined);
  // What cannot be says so: the number of the error comes from another thread.
  await assert.rejects(bpf.exchange(outer, 1, inner[0]), /BPF_MAP_UPDATE_ELEM: E2BIG/);
  await assert.rejects(bpf.exchange(outer, 0, outer), /BPF_MAP_UPDATE_ELEM: EINVAL/);
  for (const fd of [outer, ...inner]) closeDescriptor(fd);
});

test('a program that may read anywhere is refused, and the kernel says why', { skip }, () => {
  const bpf = new Bpf(64);
  const wild = new Assembler();
  wild.load(8, Reg.r0, Reg.r1, 76);
  wild.load(8, Reg.r0, Reg.r0, 1000);
  wild.exit();
  assert.throws(
    () => bpf.loadProgram(wild.assemble(), 'wild'),
    (error) =>
      error instanceof VerifierError && error.code === 'EACCES' && /invalid bpf_context access/.test(error.log),
  );
  const tame = new Assembler();
  tame.aluImm('mov', Reg.r0, 0);
  tame.exit();
  closeDescriptor(bpf.loadProgram(tame.assemble(), 'tame'));
  // There is no interface of that number.
  const program = bpf.loadProgram(tame.assemble(), 'tame');
  assert.throws(() => bpf.attach(program, 0x7ffffff0, 46), /BPF_LINK_CREATE: ENODEV/);
  closeDescriptor(program);
});
