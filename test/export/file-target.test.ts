import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { FILE_SYSTEM, type FileSystem, type OpenFile } from '../../src/export/file/file-system.js';
import { NamePattern } from '../../src/export/file/name-pattern.js';
import { openFileTarget } from '../../src/export/file/open-file-target.js';
import { retain } from '../../src/export/file/retention.js';
import { parseTargetUrl } from '../../src/export/target-url.js';
import type { ExportContext, Target } from '../../src/model/target.js';
import { droppedOf, exportContext, manyRecords, until } from '../support/export-context.js';

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-files-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const open = (url: string, context: ExportContext, files?: FileSystem) =>
  openFileTarget(parseTargetUrl(url), context, files);

function balanced(target: Target, received: number): void {
  const { counters } = target;
  assert.equal(counters.received, received);
  assert.equal(counters.sent + droppedOf(counters) + counters.waiting, received, JSON.stringify(counters));
}

function lines(file: string): string[] {
  const bytes = readFileSync(file);
  return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().trimEnd().split('\n');
}

type Call = 'open' | 'write' | 'datasync' | 'close' | 'rename';
type Fault = 'ENOSPC' | 'EIO' | 'short';

/** A file system whose n-th call (counted over all kinds) fails, `times` times in a row. */
function faulty(n: number, fault: Fault, times: number): { files: FileSystem; calls: () => number } {
  let calls = 0;
  let failed = 0;
  const fails = (call: Call): boolean => {
    calls++;
    if (calls < n || failed >= times) return false;
    failed++;
    if (fault === 'short' && call === 'write') return true;
    throw Object.assign(new Error(`${fault}: test, ${call}`), { code: fault === 'short' ? 'EIO' : fault });
  };
  const wrap = (file: OpenFile): OpenFile => ({
    read: (...args) => file.read(...args),
    truncate: (length) => file.truncate(length),
    async write(bytes, offset, length, position) {
      return file.write(bytes, offset, fails('write') ? Math.max(1, length >> 1) : length, position);
    },
    async datasync() {
      fails('datasync');
      await file.datasync();
    },
    async close() {
      // A descriptor is gone after close, whatever it says.
      await file.close();
      fails('close');
    },
  });
  const files: FileSystem = {
    ...FILE_SYSTEM,
    async open(name, flags) {
      fails('open');
      return wrap(await FILE_SYSTEM.open(name, flags));
    },
    async rename(from, to) {
      fails('rename');
      await FILE_SYSTEM.rename(from, to);
    },
  };
  return { files, calls: () => calls };
}

test('records are in the file under its name when it is complete, and not before', async () => {
  await inFolder(async (folder) => {
    const target = await open(`file:${folder}/flows.ndjson`, exportContext());
    target.write(manyRecords(10));
    target.tick(0);
    await until('written', () => target.counters.sent === 10);
    assert.deepEqual(readdirSync(folder), [`flows.ndjson.${process.pid}.part`]);
    await target.close();
    assert.deepEqual(readdirSync(folder), ['flows.ndjson']);
    assert.equal(lines(`${folder}/flows.ndjson`).length, 10);
    balanced(target, 10);
  });
});

test('a file that is there is replaced when a capture is read, and kept by a daemon', async () => {
  await inFolder(async (folder) => {
    for (const lossless of [false, true]) {
      writeFileSync(`${folder}/a.csv`, 'old');
      const target = await open(`file:${folder}/a.csv`, exportContext({ lossless }));
      await target.write(manyRecords(3));
      await target.close();
      assert.equal(lines(`${folder}/${lossless ? 'a' : 'a-1'}.csv`).length, 4);
      if (!lossless) assert.equal(readFileSync(`${folder}/a.csv`, 'utf8'), 'old');
    }
  });
});

test('rotation by time: files begin at whole multiples, and end without a record', async () => {
  await inFolder(async (folder) => {
    let now = Date.UTC(2024, 0, 1, 10, 59, 0);
    const target = await open(`file:${folder}/%Y/f-%H%M.ndjson?rotate=1h`, exportContext({ now: () => now }));
    target.write(manyRecords(5));
    now = Date.UTC(2024, 0, 1, 11, 0, 0);
    target.tick(0);
    await until('the first file', () => existsSync(`${folder}/2024/f-1000.ndjson`));
    target.write(manyRecords(7));
    await target.close();
    assert.equal(lines(`${folder}/2024/f-1000.ndjson`).length, 5);
    assert.equal(lines(`${folder}/2024/f-1100.ndjson`).length, 7);
  });
});

test('rotation by size: no record is lost, names do not collide', async () => {
  await inFolder(async (folder) => {
    const target = await open(`file:${folder}/f.ndjson.gz?rotate-size=20k`, exportContext({ lossless: true }));
    for (let k = 0; k < 40; k++) await target.write(manyRecords(200, k * 200));
    await target.close();
    const names = readdirSync(folder);
    assert.ok(names.length > 3, names.join());
    for (const name of names) assert.match(name, /^f-20240101T000140Z(-\d+)?\.ndjson\.gz$/);
    assert.equal(
      names.reduce((sum, name) => sum + lines(`${folder}/${name}`).length, 0),
      8000,
    );
    balanced(target, 8000);
  });
});

test('every call of the file system fails once: the accounts balance and the files are whole', {
  timeout: 120_000,
}, async () => {
  for (const fault of ['ENOSPC', 'EIO', 'short'] as const) {
    for (let n = 1; ; n++) {
      const { files, calls } = faulty(n, fault, 1);
      let last = false;
      await inFolder(async (folder) => {
        const target = await open(`file:${folder}/f.ndjson?rotate-size=64k`, exportContext({ lossless: true }), files);
        for (let k = 0; k < 4; k++) await target.write(manyRecords(200, k * 200));
        await target.close();
        balanced(target, 800);
        assert.equal(target.counters.sent, 800, `${fault} in call ${n}`);
        const names = readdirSync(folder);
        assert.ok(
          names.every((name) => name.endsWith('.ndjson')),
          names.join(),
        );
        const all = names.flatMap((name) => lines(`${folder}/${name}`)).map((line) => JSON.parse(line).packets);
        assert.deepEqual(
          all.sort((x, y) => x - y),
          Array.from({ length: 800 }, (_, k) => k + 1),
        );
        last = calls() < n;
      });
      if (last) break;
    }
  }
});

test('a file that cannot be given its name: its records are no longer counted as sent', async () => {
  await inFolder(async (folder) => {
    const files: FileSystem = {
      ...FILE_SYSTEM,
      rename: async () => {
        throw Object.assign(new Error('EPERM: test, rename'), { code: 'EPERM' });
      },
    };
    const said: string[] = [];
    const context = exportContext({ log: (level, message) => said.push(`${level}: ${message}`) });
    const target = await open(`file:${folder}/f.ndjson`, context, files);
    target.write(manyRecords(100, 0));
    await target.close();
    balanced(target, 100);
    assert.deepEqual(target.counters.dropped, { ioError: 100 });
    assert.equal(lines(`${folder}/${readdirSync(folder)[0]}`).length, 100);
    assert.ok(
      said.some((line) => /error: .*\.part stays under this name/.test(line)),
      said.join('\n'),
    );
  });
});

test('a disk that stays full: nobody waits, drops are counted, and writing goes on when there is room', async () => {
  await inFolder(async (folder) => {
    const { files } = faulty(3, 'ENOSPC', 3);
    const context = exportContext();
    const target = await open(`file:${folder}/f.ndjson?queue=64k`, context, files);
    let received = 0;
    await until('a full disk', () => {
      assert.equal(target.write(manyRecords(100, received)), undefined);
      received += 100;
      target.tick(0);
      balanced(target, received);
      return (target.counters.dropped.diskFull ?? 0) > 0;
    });
    assert.equal(target.state, 'down');
    assert.match(target.lastError ?? '', /no space left/);
    await until('room again', () => target.state === 'up');
    target.write(manyRecords(100, received));
    received += 100;
    await target.close();
    balanced(target, received);
    assert.equal(lines(`${folder}/f.ndjson`).length, target.counters.sent);
    for (const line of lines(`${folder}/f.ndjson`)) JSON.parse(line);
    assert.equal(context.logged.filter((line) => line.startsWith('error')).length, 1, context.logged.join('\n'));
  });
});

/** What a killed process leaves: the bytes that were written, under the name of a process that is gone. */
async function killed(folder: string, name: string, records: number): Promise<string> {
  const target = await open(`file:${folder}/${name}`, exportContext());
  for (let k = 0; k < records; k += 500) target.write(manyRecords(500, k));
  await target.close();
  const left = `${folder}/${name}.4194304999.part`;
  writeFileSync(left, readFileSync(`${folder}/${name}`));
  rmSync(`${folder}/${name}`);
  return left;
}

for (const name of ['a.ndjson', 'a.csv', 'a.ndjson.gz', 'a.ipfix', 'a.nfdump', 'a.parquet']) {
  test(`${name}: what a killed process left is cut behind its last whole part and named`, async () => {
    await inFolder(async (folder) => {
      const left = await killed(folder, name, 40_000);
      const whole = readFileSync(left);
      const cut = whole.subarray(0, whole.length - 77);
      writeFileSync(left, cut);
      const context = exportContext();
      await (await open(`file:${folder}/${name}`, context)).close();
      const dot = name.indexOf('.');
      assert.deepEqual(readdirSync(folder).sort(), [`${name.slice(0, dot)}-1${name.slice(dot)}`, name].sort());
      const recovered = readFileSync(`${folder}/${name}`);
      assert.ok(recovered.length > cut.length / 3 && recovered.length <= cut.length, `${recovered.length}`);
      assert.ok(context.logged.some((line) => line.includes('recovered')));
      if (name.includes('ndjson')) {
        for (const line of lines(`${folder}/${name}`)) JSON.parse(line);
      }
    });
  });
}

test('kill -9 in the middle: complete files are whole, the open one is recovered by the next start', async () => {
  await inFolder(async (folder) => {
    const url = `file:${folder}/k.ndjson?rotate-size=200k`;
    const here = path.dirname(fileURLToPath(import.meta.url));
    const script =
      `import { openTarget } from '${path.join(here, '../../src/export/target.js')}';\n` +
      `import { exportContext, manyRecords } from '${path.join(here, '../support/export-context.js')}';\n` +
      `const target = await openTarget(${JSON.stringify(url)}, exportContext());\n` +
      'for (let k = 0; ; k += 100) {\n' +
      '  target.write(manyRecords(100, k));\n  target.tick(0);\n  await new Promise((wake) => setTimeout(wake, 2));\n}\n';
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    try {
      await until('two complete files and an open one', () => {
        // It is stopped while we look: between two files there is none that is open.
        child.kill('SIGSTOP');
        const names = readdirSync(folder);
        const complete = names.filter((name) => name.endsWith('.ndjson')).length;
        if (complete > 1 && complete < names.length) return true;
        child.kill('SIGCONT');
        return false;
      });
    } finally {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
    }
    assert.ok(readdirSync(folder).some((name) => name.endsWith('.part')));
    await (await open(url, exportContext())).close();
    const names = readdirSync(folder);
    assert.ok(
      names.every((name) => name.endsWith('.ndjson')),
      names.join(),
    );
    // From the first record on without a gap, up to the one that was written last.
    const packets = names.flatMap((name) => lines(`${folder}/${name}`)).map((line) => JSON.parse(line).packets);
    packets.sort((x, y) => x - y);
    assert.deepEqual(
      packets,
      Array.from(packets, (_, k) => k + 1),
    );
  });
});

test('files of a process that runs are left alone', async () => {
  await inFolder(async (folder) => {
    writeFileSync(`${folder}/a.ndjson.${process.ppid}.part`, '{}\n');
    await (await open(`file:${folder}/a.ndjson`, exportContext())).close();
    assert.ok(existsSync(`${folder}/a.ndjson.${process.ppid}.part`));
  });
});

test('retention takes the oldest of its own files, never a link or what others wrote', async () => {
  await inFolder(async (folder) => {
    const names = new NamePattern(`${folder}/%Y/f-%H.csv`, true);
    const outside = mkdtempSync(path.join(tmpdir(), 'rheo-outside-'));
    mkdirSync(`${folder}/2024`);
    writeFileSync(`${outside}/f-01.csv`, 'x'.repeat(1000));
    symlinkSync(outside, `${folder}/2023`);
    symlinkSync(`${outside}/f-01.csv`, `${folder}/2024/f-22.csv`);
    writeFileSync(`${folder}/2024/other.csv`, 'x'.repeat(1000));
    for (let hour = 1; hour <= 5; hour++) {
      const file = `${folder}/2024/f-0${hour}.csv`;
      writeFileSync(file, 'x'.repeat(100));
      utimesSync(file, 1000 + hour, 1000 + hour);
    }
    const removed = await retain(FILE_SYSTEM, names, { keepMs: undefined, keepBytes: 250 }, 2_000_000);
    assert.deepEqual(
      removed.map((file) => path.basename(file)),
      ['f-01.csv', 'f-02.csv', 'f-03.csv'],
    );
    await retain(FILE_SYSTEM, names, { keepMs: 995_500, keepBytes: undefined }, 2_000_000);
    assert.deepEqual(readdirSync(`${folder}/2024`).sort(), ['f-05.csv', 'f-22.csv', 'other.csv']);
    assert.deepEqual(readdirSync(outside), ['f-01.csv']);
    rmSync(outside, { recursive: true });
  });
});

test('a directory that is missing is told at once', async () => {
  await inFolder(async (folder) => {
    await assert.rejects(open(`file:${folder}/no/a.csv`, exportContext()), /there is no directory .*no/);
  });
});
