import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseArguments } from '../../src/cli/parse.js';
import { readOptions } from '../../src/cli/read-options.js';
import { environmentName, FEATURE_NAMES, findCommand, TRACK_LEVELS } from '../../src/cli/spec.js';
import { makeView } from '../../src/cli/view.js';
import { completeSettings, recordFields } from '../../src/control/settings.js';
import { ErrorCode, RheoError } from '../../src/core/errors.js';
import { compileFilter } from '../../src/filter/filter.js';
import { TIMEOUT_CLASSES } from '../../src/model/options.js';
import { Batch } from '../../src/packet/batch.js';
import { KEY_PARTS } from '../../src/packet/key.js';
import { NameBook } from '../../src/tui/names.js';
import { EXPRESSIONS } from '../filter/expressions.js';
import { expressions } from '../filter/random-expressions.js';
import { collector } from '../support/collector.js';
import { anyFrame, type HostileFrame } from './frames.js';
import { mutate } from './mutate.js';
import { Random, type Target } from './target.js';

const text = new TextDecoder();
const bytesOf = (written: string): Uint8Array => new TextEncoder().encode(written);

/** Runs it; an error that tells the user what is wrong is an answer too, with one of these codes. */
function answers<T>(work: () => T, ...codes: ErrorCode[]): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RheoError)) throw error;
    assert.ok(codes.includes(error.code), `an error of another kind: ${error.code} ${error.message}`);
    return undefined;
  }
}

const vocabulary = {
  ipv4: ['10.0.0.1', '192.0.2.7', '255.255.255.255'],
  ipv6: ['2001:db8::1', 'fe80::1', 'ff02::1'],
  macs: ['0a:00:00:00:00:01', 'ff:ff:ff:ff:ff:ff'],
  ports: [53, 80, 443, 1024],
};
const grammar = expressions(vocabulary);
const WORDS = (
  'and or not && || ! ( ) host net port portrange src dst ip ip6 tcp udp icmp ether vlan mpls pppoes proto mask gateway ' +
  'less greater broadcast multicast [ ] : 0 1 2 4 65535 65536 4294967296 0x 0xffffffffff -1 1.2.3.4 1.2.3.4.5 300.1.1.1 ' +
  ':: ::1 1::2::3 fe80::/129 10/8 10.0.0.0/33 a:b:c:d:e:f \\tcp \\ \' " len + - * / % & | ^ << >> = == != < > <= >= ' +
  'tcp[tcpflags] icmptype wlan type inbound ifname \u0000 \u001b[31m é 1-2 80-79 -'
).split(' ');

function expression(random: Random): Uint8Array {
  const written = (): string => {
    if (random.once(3)) return random.pick(EXPRESSIONS);
    if (random.once(3)) return Array.from({ length: random.below(12) }, () => random.pick(WORDS)).join(' ');
    return fc.sample(grammar, { numRuns: 1, seed: random.below(0x7fffffff) })[0];
  };
  const one = bytesOf(written());
  if (random.once(200)) return bytesOf('('.repeat(1 + random.below(20_000)) + written());
  if (random.once(200))
    return bytesOf(
      Array(1 + random.below(3000))
        .fill(written())
        .join(' or '),
    );
  return random.once(2) ? one : mutate(one, random, [bytesOf(written())]);
}

let hostile: HostileFrame[] | undefined;

/** Frames that the filters are tried on, one behind the other; the last one ends where the memory ends. */
function filterBatch(gap: number, fill: number): Batch {
  const random = new Random(5, 'filter frames', 0);
  hostile ??= Array.from({ length: 64 }, () => anyFrame(random));
  const frames = hostile;
  const memory = new Uint8Array(frames.reduce((sum, frame) => sum + gap + frame.bytes.length, 1)).fill(fill);
  const batch = new Batch();
  batch.attach(memory, new DataView(memory.buffer));
  let at = 1;
  for (const [i, frame] of frames.entries()) {
    at += gap;
    memory.set(frame.bytes, at);
    batch.offset[i] = at;
    batch.captured[i] = frame.bytes.length;
    batch.wire[i] = Math.min(0x7fffffff, frame.bytes.length + frame.more);
    batch.link[i] = frame.link;
    at += frame.bytes.length;
  }
  batch.count = frames.length;
  return batch;
}

/**
 * For each frame 1 if the expression matches, 0 if not, - if it makes no sense on that link layer; undefined if it is
 * no expression.
 */
function choose(written: string, batch: Batch): string | undefined {
  const filter = answers(() => compileFilter(written), ErrorCode.filter);
  if (filter === undefined) return undefined;
  batch.verdict.fill(0);
  let chosen = '';
  for (let i = 0; i < batch.count; i++) {
    chosen += answers(() => filter.select(batch, i, i + 1), ErrorCode.filter) ?? '-';
    assert.equal(batch.verdict[i] === 0, chosen.at(-1) !== '0', 'verdict and count agree');
  }
  return chosen;
}

function runFilter(input: Uint8Array): void {
  const written = text.decode(input);
  const exact = choose(written, filterBatch(0, 0));
  assert.equal(choose(written, filterBatch(70, 0xff)), exact, 'the same, whatever stands around the packets');
  if (exact === undefined || written.trim() === '') return;
  assert.equal(choose(`(${written})`, filterBatch(0, 0)), exact, 'brackets change nothing');
}

const READ = findCommand('read');
const VALUES = [
  '',
  '0',
  '1',
  '-1',
  '5',
  '1e9',
  '1_000',
  '64k',
  '99999999999999999999',
  '0x10',
  'NaN',
  'Infinity',
  '30s',
  '1h30m',
  '500ms',
  '1.5d',
  '9w',
  '1000000w',
  '0s',
  '-',
  '--',
  'tcp.fin=5s',
  'tcp=',
  '=5s',
  'prefix/33',
  'prefix/24,/200',
  'prefix/',
  'count:5',
  'random:0',
  'hash:99999999999',
  'all',
  'none',
  'all,none',
  'vlan,mac',
  'vlan,vlan',
  '-port',
  '-proto,+tos',
  ',',
  'a,,b',
  '__proto__',
  'constructor',
  'toString',
  'id,src,src',
  'bytes',
  'é',
  '\u001b[31mred',
  '\u0000',
  'x'.repeat(5000),
  ...Object.keys(KEY_PARTS),
  ...TIMEOUT_CLASSES,
  ...FEATURE_NAMES,
  ...TRACK_LEVELS,
];

/** Arguments with a NUL between them; those that begin with `RHEO_` stand in the environment. */
function argumentList(random: Random): Uint8Array {
  const flags = READ?.flags ?? [];
  const words = Array.from({ length: random.below(6) }, () => {
    const flag = random.pick(flags);
    const value = random.once(3) && flag.choices !== undefined ? random.pick(flag.choices) : random.pick(VALUES);
    switch (random.below(8)) {
      case 0:
        return `${environmentName(flag)}=${value}`;
      case 1:
        return `-${flag.short ?? random.pick(['x', 'n', 'q', 'nq', ''])}${random.once(2) ? value : ''}`;
      case 2:
        return value;
      case 3:
        return `--${flag.name}`;
      default:
        return flag.kind === 'switch' ? `--${flag.name}` : `--${flag.name}=${value}`;
    }
  });
  const list = bytesOf(words.join('\0'));
  return random.once(3) ? mutate(list, random) : list;
}

function runArguments(input: Uint8Array): void {
  if (READ === undefined) throw new Error('no command read');
  const words = text.decode(input).split('\0');
  const environment = Object.fromEntries(
    words
      .filter((word) => /^RHEO_\w+=/.test(word))
      .map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  );
  const args = words.filter((word) => !/^RHEO_\w+=/.test(word));
  answers(
    () => {
      const { values } = parseArguments(READ, args, environment);
      const options = readOptions(values, undefined);
      const settings = completeSettings(options);
      assert.ok(settings.maxFlows >= 1 && settings.maxFragments >= 1);
      const { output } = collector();
      const style = { units: false, width: 80, color: false, names: new NameBook(true) };
      makeView(values, options, recordFields(options.features), output, style);
    },
    ErrorCode.usage,
    ErrorCode.limit,
  );
}

export const TEXT_TARGETS: readonly Target[] = [
  {
    name: 'filter',
    about: 'filter expressions, right and wrong, over damaged frames',
    tries: 300,
    make: expression,
    run: runFilter,
  },
  { name: 'arguments', about: 'flags and RHEO_* variables', tries: 1500, make: argumentList, run: runArguments },
];
