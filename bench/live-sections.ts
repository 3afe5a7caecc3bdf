/** The daemon's sections of the bench: floods, pauses, soak. They need root, Linux and the program `ip`. */
import { netnsMissing } from '../test/support/netns.js';
import { type LiveProgram, type LiveResult, measureLive } from './live.js';
import { median } from './measure.js';
import { measurePauses, type Phase } from './pauses.js';
import type { Bench, Section, SectionName } from './sections.js';
import { leaked, type Sample, slopePerHour, soak } from './soak.js';

type Table = NonNullable<Section['table']>;

/** What the daemon shall keep to, against tcpdump and alone. */
const LEAST_OF_TCPDUMP = 1.05;
const MOST_USER_NANOS = 200;
const MOST_GAP_MS = 10;
/** Flows in the table, and packets a second while it is filled and while it is asked. */
const PAUSES = [
  { flows: 1_000_000, fillPerSecond: 150_000, perSecond: 20_000 },
  { flows: 4_000_000, fillPerSecond: 200_000, perSecond: 20_000 },
] as const;
const SOAK_PER_SECOND = 20_000;
const SOAK_SAMPLE_SECONDS = 10;
const NAMES: Record<LiveProgram, string> = {
  none: 'nobody listens',
  rheo: 'rheo',
  'rheo, eBPF': 'rheo --observe ebpf',
  tcpdump: 'tcpdump -w /dev/null',
  softflowd: 'softflowd',
};

export async function liveSection({ rounds, told }: Bench): Promise<Section> {
  return guarded('live', 'Floods over a cable, in turn', async () => floodTable(await measureLive(rounds, told)));
}

function floodTable(results: readonly LiveResult[]): Table {
  const head = [
    'frame, flows',
    'program',
    'kpps delivered',
    'kpps taken',
    'lost',
    'user ns',
    'of the packets’ thread',
    'system ns',
    'taken / tcpdump’s',
  ];
  const rows = results.map(({ bytes, flows, program, run }) => {
    const name = `${bytes} B, ${flows.toLocaleString('en-GB')}`;
    const kilo = (value: number): string => (value / 1000).toFixed(0);
    if (program === 'none') return [name, NAMES[program], kilo(run.delivered)];
    const peer = results.find((one) => one.program === 'tcpdump' && one.bytes === bytes && one.flows === flows);
    const ratio = program === 'rheo' && peer !== undefined ? run.through / peer.run.through : undefined;
    const user = run.threadUser.toFixed(0);
    return [
      name,
      NAMES[program],
      kilo(run.delivered),
      kilo(run.through),
      `${(run.lostShare * 100).toFixed(1)} %`,
      run.user.toFixed(0),
      program === 'rheo' && flows === 100_000 ? verdict(user, run.threadUser <= MOST_USER_NANOS) : user,
      run.system.toFixed(0),
      ratio === undefined ? '' : verdict(`${ratio.toFixed(2)}×`, ratio >= LEAST_OF_TCPDUMP || run.lostShare === 0),
    ];
  });
  return { head, rows };
}

export async function pausesSection({ told }: Bench): Promise<Section> {
  return guarded('pauses', 'Pauses of the thread with the packets, and answers, by what happens', async () => {
    const rows: string[][] = [];
    for (const options of PAUSES) {
      const phases = await measurePauses({ ...options, told });
      for (const phase of phases) rows.push(pauseCells(options.flows, phase));
    }
    const head = [
      'flows',
      'what happens',
      'longest gap ms',
      'waited for a core ms',
      'answer begins ms',
      'whole ms',
      'packets',
      'lost',
      'MiB',
    ];
    return { head, rows };
  });
}

function pauseCells(flows: number, phase: Phase): string[] {
  const { longestGapMs, waitedMs, answerBeganMs, answerMs, packets, dropped, recordsDropped } = phase;
  return [
    `${flows / 1e6} M`,
    phase.name,
    verdict(longestGapMs.toFixed(1), longestGapMs <= MOST_GAP_MS),
    waitedMs.toFixed(1),
    answerBeganMs === undefined ? '' : answerBeganMs.toFixed(1),
    answerMs === undefined ? '' : answerMs.toFixed(0),
    packets.toLocaleString('en-GB'),
    `${dropped} packets, ${recordsDropped} records`,
    phase.residentMiB.toFixed(0),
  ];
}

export async function soakSection({ minutes, told }: Bench): Promise<Section> {
  return guarded('soak', `Soak of ${minutes} minutes`, async () => {
    const result = await soak({
      seconds: minutes * 60,
      sampleSeconds: SOAK_SAMPLE_SECONDS,
      perSecond: SOAK_PER_SECOND,
      seed: 1,
      told,
    });
    const { samples } = result;
    const third = Math.max(1, Math.floor(samples.length / 3));
    const middle = (part: readonly Sample[], value: (one: Sample) => number): string =>
      median(part.map(value)).toFixed(1);
    const memory = samples.slice(third).map(({ seconds, residentMiB }) => ({ seconds, value: residentMiB }));
    const unbalanced = samples.filter(({ imbalance }) => imbalance.length > 0).length;
    const more = leaked(result.before, result.after);
    let actions = 0;
    for (const count of result.done.values()) actions += count;
    const [first, last] = [samples.slice(0, third), samples.slice(-third)];
    const rows = [
      ['packets, records', `${result.packets.toLocaleString('en-GB')}, ${result.records.toLocaleString('en-GB')}`],
      ['packets dropped in the ring', String(result.dropped)],
      ['requests, reloads, rude clients and what else was done', String(actions)],
      ['resident MiB, median of the first and the last third', thirds((one) => one.residentMiB)],
      ['heap MiB, the same', thirds((one) => one.heapMiB)],
      ['slope of resident memory without the first third, MiB an hour', slopePerHour(memory).toFixed(1)],
      ['descriptors, the same', thirds((one) => one.descriptors)],
      ['descriptors left over at the end', verdict(String(more.length), more.length === 0)],
      [
        'times asked for the ledger, and not balanced',
        `${samples.length}, ${verdict(String(unbalanced), unbalanced === 0)}`,
      ],
      ['threads restarted', String(result.restarts)],
      ['exit code, time to stop', `${result.exitCode}, ${(result.stopMs / 1000).toFixed(2)} s`],
    ];
    return { head: ['', 'figure'], rows };

    function thirds(value: (one: Sample) => number): string {
      return `${middle(first, value)} → ${middle(last, value)}`;
    }
  });
}

function verdict(text: string, right: boolean): string {
  return `${text} ${right ? '✓' : '✗'}`;
}

async function guarded(name: SectionName, title: string, table: () => Promise<Table>): Promise<Section> {
  const missing = netnsMissing();
  if (missing === false) return { name, title, rows: [], table: await table() };
  return { name, title, rows: [{ name: title, failed: missing, packets: 0, flows: 0 }] };
}
