import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../support/shared.js';

const manifest = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8'));
const compiled = path.join(import.meta.dirname, '../..');

test('what package.json names is in the package, and what serves only us is not', (t) => {
  if (!existsSync(path.join(projectRoot, 'dist/src/index.js'))) {
    t.skip('dist is not built');
    return;
  }
  const npm = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: projectRoot,
    encoding: 'utf8',
  });
  assert.equal(npm.status, 0, npm.stderr);
  const files = new Set<string>(JSON.parse(npm.stdout)[0].files.map((file: { path: string }) => file.path));
  const { types, default: main } = manifest.exports['.'];
  const named = [types, main, manifest.bin.rheo].map((name: string) => path.posix.normalize(name));
  for (const name of [...named, 'README.md', 'LICENSE', 'samples/house.pcapng', 'package.json']) {
    assert.ok(files.has(name), `${name} is in the package`);
  }
  // What these import, and what that imports, is there, too.
  for (const name of named) {
    for (const [from, specifier] of importsBehind(name)) {
      assert.ok(files.has(specifier), `${specifier}, which ${from} imports, is in the package`);
    }
  }
  const ours = [...files].filter((name) =>
    /^(src|test|bench|scripts|examples|dist\/(test|bench|examples))\//.test(name),
  );
  assert.deepEqual(ours, []);
});

test('the types of the package fit a strict project of someone else', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-consumer-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // The package, with what was just compiled as its dist.
  mkdirSync(path.join(folder, 'node_modules/rheo'), { recursive: true });
  writeFileSync(path.join(folder, 'node_modules/rheo/package.json'), JSON.stringify(manifest));
  symlinkSync(compiled, path.join(folder, 'node_modules/rheo/dist'));
  symlinkSync(path.join(projectRoot, 'node_modules/@types'), path.join(folder, 'node_modules/@types'));
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
  };
  const compile = (text: string): string => {
    writeFileSync(path.join(folder, 'consumer.ts'), text);
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    const tsc = path.join(projectRoot, 'node_modules/typescript/bin/tsc');
    const run = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { encoding: 'utf8' });
    return `${run.stdout}${run.stderr}`;
  };
  assert.equal(compile(CONSUMER), '');
  const lines = WRONG.map(([wrong]) => wrong);
  const said = compile(["import { Meter, readFlows } from 'rheo';", ...lines, ''].join('\n'));
  const errors = [...said.matchAll(/consumer\.ts\((\d+),\d+\): error (TS\d+)/g)];
  assert.deepEqual(
    errors.map(([, line, error]) => [lines[Number(line) - 2], error]),
    WRONG,
  );
});

const CONSUMER = `
import { createReadStream } from 'node:fs';
import {
  type Batch, type EndedFlow, ErrorCode, type FlowHook, type FlowReadOptions, type FlowRecord, type Ledger, type LiveFlow,
  Meter, readFlows, type RecordField, RheoError, type SideTable, type Summary,
} from 'rheo';

const hook: FlowHook = {
  name: 'mine',
  words: 2,
  bind(side: SideTable, offset: number) { side.doubles[offset / 2] = 1; },
  updated(batch: Batch, from, to) { for (let i = from; i < to; i++) batch.flow[i] satisfies number; },
};
const field: RecordField = { name: 'mine', description: '', type: 'number', read: (batch, n) => batch.words[n] };
const options: FlowReadOptions = {
  filter: 'tcp', features: ['ttl'], key: { base: 'port', extra: ['vlan'] }, timeouts: { idle: { 'tcp.fin': 1 }, active: 2 },
  hooks: [hook], fields: [field], signal: AbortSignal.timeout(1), onProgress: ({ packets }) => packets satisfies number,
};
const flows = readFlows('file', options);
for await (const flow of flows) {
  flow satisfies FlowRecord;
  flow.src satisfies string;
  flow.srcPort satisfies number | undefined;
  flow.bytes satisfies number | bigint;
}
for await (const batch of readFlows(new Uint8Array(1)).batches()) batch.count satisfies number;
readFlows(createReadStream('file'));
readFlows(new Blob([]).stream());
readFlows(['a', '-']);
(await flows.summary) satisfies Summary;

interface Mine { asked: number }
const meter = new Meter<Mine>({
  maxFlows: 10,
  onEnd(flow: EndedFlow<Mine>) { flow.endReason satisfies 'idle' | 'active' | 'end' | 'forced' | 'resources'; },
});
const live: LiveFlow<Mine> | undefined = meter.frame(Buffer.alloc(1), 1, Date.now(), 1500);
if (live !== undefined) {
  live.userData = { asked: 1 };
  live.direction satisfies 'forward' | 'reverse';
}
meter.l3(new Uint8Array(1), { seconds: 1, nanos: 0 });
meter.l4(new Uint8Array(1), { src: '::1', dst: '::1', protocol: 6 }, 1n);
meter.advance(process.hrtime.bigint());
meter.lastRefusal satisfies string | undefined;
const ledger: Ledger = meter.finish();
ledger.imbalance satisfies string[];
try { await flows.summary; } catch (error) { if (error instanceof RheoError) error.code === ErrorCode.input; }
`;

/** What must not compile, and what the compiler says. */
const WRONG: readonly (readonly [string, string])[] = [
  ['readFlows(1);', 'TS2345'],
  ["readFlows('x', { timeouts: { idle: { ftp: 1 } } });", 'TS2353'],
  ["readFlows('x', { key: { extra: ['colour'] } });", 'TS2322'],
  ["new Meter().frame(new Uint8Array(1), 'ETHERNET', 0);", 'TS2345'],
  ["new Meter().l3(new Uint8Array(1), 'now');", 'TS2345'],
  ["new Meter<number>().l3(new Uint8Array(1), 0)!.userData = 'text';", 'TS2322'],
];

/** Pairs of a file and one that it imports from the package, from this file on. */
function importsBehind(entry: string): [string, string][] {
  const pairs: [string, string][] = [];
  const seen = new Set<string>([entry]);
  for (const file of seen) {
    const text = readFileSync(path.join(projectRoot, file), 'utf8');
    for (const [, specifier] of text.matchAll(/(?:from |import\(?)['"](\.[^'"]+)['"]/g)) {
      let target = path.posix.join(path.posix.dirname(file), specifier);
      if (file.endsWith('.d.ts')) target = target.replace(/\.js$/, '.d.ts');
      pairs.push([file, target]);
      seen.add(target);
    }
  }
  return pairs;
}
