/** Lines of docs/collectors: they can be run, and what they send is what the collectors need that cannot be run here. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { ExportSink } from '../../src/control/export-sink.js';
import { readCaptures } from '../../src/control/read.js';
import { recordFields } from '../../src/control/settings.js';
import { parseTargetUrl } from '../../src/export/target-url.js';
import { datagramPcap } from '../support/datagrams.js';
import { collectorPages, Page } from '../support/documents.js';
import { until } from '../support/export-context.js';
import { hasProgram } from '../support/programs.js';
import { projectRoot } from '../support/shared.js';

const SAMPLE = path.join(projectRoot, 'samples/house.pcapng');

test('each page has lines for both sides, and is in the list', () => {
  const pages = collectorPages();
  assert.deepEqual(pages, ['akvorado', 'elastic', 'goflow2', 'nfdump', 'ntopng', 'pmacct', 'rsyslog']);
  const list = readFileSync(path.join(projectRoot, 'docs/collectors/README.md'), 'utf8');
  for (const name of pages) {
    const page = new Page(name);
    assert.ok(list.includes(`(${name}.md)`), name);
    const ours = page.commands.filter(([program]) => program === 'rheo');
    assert.ok(ours.length > 0, name);
    assert.ok(page.commands.length > ours.length || /^```(yaml|rsyslog|logstash|pmacct)$/m.test(page.text), name);
    assert.ok(page.targets.length > 0, name);
    for (const url of page.targets) parseTargetUrl(url);
    assert.match(page.text, /^## (Works|Watch)|^- /m, name);
  }
});

test('files of YAML in the pages are YAML', () => {
  for (const name of collectorPages()) {
    for (const [, text] of new Page(name).text.matchAll(/^```yaml\n(.*?)^```$/gms)) {
      assert.equal(typeof parse(text), 'object', name);
    }
  }
});

/** Reads the sample and sends it where the page says, over the transport that it says. @returns the messages */
async function sent(url: string): Promise<Buffer[]> {
  const { transport } = parseTargetUrl(url);
  const messages: Buffer[] = [];
  const features = ['vlan', 'tunnel', 'tos'] as const;
  const send = async (port: number): Promise<number> => {
    const here = url.replace(/\/\/[^:/?]+:\d+/, `//127.0.0.1:${port}`);
    const sink = await ExportSink.open([here], {
      fields: recordFields(features),
      keyParts: [],
      sampling: undefined,
      communityIdSeed: 0,
      interfaces: [],
      packets: () => 0,
      log: () => {},
    });
    const summary = await readCaptures([SAMPLE], { features }, sink);
    assert.deepEqual(sink.imbalance(summary.records), []);
    return sink.summaries()[0].sent;
  };
  if (transport === 'udp') {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 2 ** 20 });
    socket.on('message', (message) => messages.push(message));
    await new Promise<void>((resolve) => {
      socket.bind(0, '127.0.0.1', resolve);
    });
    const last = createSocket('udp4');
    try {
      assert.ok((await send(socket.address().port)) > 0);
      // Datagrams on loopback keep their order: what comes before this one is all there is.
      last.send(Buffer.from('end'), socket.address().port, '127.0.0.1');
      await until('the last datagram', () => messages.at(-1)?.toString() === 'end');
      messages.pop();
    } finally {
      socket.close();
      last.close();
    }
    return messages;
  }
  const chunks: Buffer[] = [];
  let ended = false;
  const server = createServer((socket) => {
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => {
      ended = true;
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    assert.ok((await send((server.address() as { port: number }).port)) > 0);
    await until('the end of the stream', () => ended);
  } finally {
    server.close();
  }
  const bytes = Buffer.concat(chunks);
  for (let at = 0; at < bytes.length; at += bytes.readUInt16BE(at + 2)) {
    messages.push(bytes.subarray(at, at + bytes.readUInt16BE(at + 2)));
  }
  return messages;
}

/** What tshark reads of the messages, field by field. */
function cflow(messages: readonly Buffer[]): { inputs: string[]; octets: string[] } {
  const folder = mkdtempSync(path.join(tmpdir(), 'rheo-documents-'));
  try {
    const file = path.join(folder, 'export.pcap');
    writeFileSync(file, datagramPcap(messages, 9994));
    const read = (field: string): string[] =>
      execFileSync(
        'tshark',
        ['-n', '-r', file, '-d', 'udp.port==9994,cflow', '-T', 'fields', '-E', 'aggregator=,', '-e', field],
        { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] },
      )
        .split(/[,\n]/)
        .filter((value) => value !== '');
    return { inputs: read('cflow.inputint'), octets: read('cflow.octets') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Fields of templates, not of options templates: number, enterprise, length. */
function templateFields(messages: readonly Buffer[]): { id: number; enterprise: number; length: number }[] {
  const fields: { id: number; enterprise: number; length: number }[] = [];
  for (const message of messages) {
    if (message.readUInt16BE(0) !== 10) continue;
    for (let at = 16; at < message.length; at += message.readUInt16BE(at + 2)) {
      if (message.readUInt16BE(at) !== 2) continue;
      const end = at + message.readUInt16BE(at + 2);
      for (let place = at + 4; place + 4 <= end; ) {
        let count = message.readUInt16BE(place + 2);
        for (place += 4; count > 0; count--) {
          const id = message.readUInt16BE(place);
          const length = message.readUInt16BE(place + 2);
          place += 4;
          let enterprise = 0;
          if (id >= 0x8000) {
            enterprise = message.readUInt32BE(place);
            place += 4;
          }
          fields.push({ id: id & 0x7fff, enterprise, length });
        }
      }
    }
  }
  return fields;
}

const REVERSE = 29305;

describe('what the lines send', { skip: hasProgram('tshark') ? false : 'tshark is missing' }, () => {
  for (const [page, needs] of [
    ['akvorado', { interfaces: true }],
    ['goflow2', { interfaces: true, plain: true }],
    ['ntopng', { plain: true }],
    ['pmacct', { plain: true }],
    ['nfdump', {}],
    ['elastic', {}],
  ] as [string, { interfaces?: boolean; plain?: boolean }][]) {
    const urls = new Page(page).targets.filter(
      (url) => /^(ipfix|netflow9|netflow5)/.test(url) && !url.includes('239.'),
    );
    for (const url of urls) {
      test(`${page}: ${url}`, async () => {
        const messages = await sent(url);
        const found = cflow(messages);
        assert.ok(found.octets.length > 0);
        // Akvorado leaves out flows without an interface.
        if (needs.interfaces) {
          assert.ok(found.inputs.length > 0);
          assert.ok(!found.inputs.includes('0'));
        }
        const fields = templateFields(messages);
        if (url.startsWith('ipfix')) assert.ok(fields.length > 0);
        // Those that do not know RFC 5103 would miss one direction.
        if (needs.plain) assert.ok(fields.every(({ enterprise }) => enterprise !== REVERSE));
        // Logstash throws templates away that hold what it does not know.
        if (url.includes('profile=basic')) {
          assert.deepEqual(
            fields.filter(({ enterprise, length }) => enterprise !== 0 || length === 65535),
            [],
          );
        }
        // All of them know times in seconds and milliseconds (150…153), none of the finer ones for sure.
        assert.ok(fields.every(({ id, enterprise }) => enterprise !== 0 || id < 154 || id > 157));
      });
    }
  }
});
