import type { LiveInterface, LiveSource } from '../../model/live-source.js';
import type { SourceCounters } from '../../model/source.js';
import type { Batch } from '../../packet/batch.js';
import { closeDescriptor } from '../../system/bpf.js';
import type { Link, LinkMonitor } from '../../system/links.js';
import { inNetns } from '../../system/netns.js';
import { PacketSocket } from '../../system/packet-socket.js';
import { Poller } from '../../system/poller.js';
import { Device } from '../live/device.js';
import { LOOPBACK_HARDWARE, linkTypeOf } from '../live/link-types.js';
import type { WantedNames } from '../live/names.js';
import { TimeLine } from '../live/time-line.js';
import { EbpfUnavailable, unavailable } from './errors.js';
import { Frames } from './frames.js';
import { RECORD_BYTES } from './layout.js';
import { MAX_SLOTS, type SlotCounts, Tables } from './tables.js';

/** The kernel counts at the most so long into one map: the longer, the more packets are in one record. */
const INTERVAL_MS = 1000;
/** How full its map is, is looked at so often. It is exchanged when it is that full, or would be in so many looks. */
const LOOK_MS = 50;
const LOOKS_AHEAD = 4;
const FULL_ENOUGH = 3 / 4;
/** Interfaces that are missing are looked for so often. */
const RETRY_SECONDS = 1;
/** Most packets of a batch. */
const MOST_PACKETS = 1024;
const MAX_WARNINGS = 100;
/** ARP hardware types whose frames begin with an Ethernet header, and those that have none (tun, WireGuard). */
const ETHERNET_HARDWARE: readonly number[] = [1, LOOPBACK_HARDWARE];
const NO_HARDWARE = 65534;

export interface EbpfSourceOptions {
  readonly wanted: WantedNames;
  readonly netns: string | undefined;
  readonly promiscuous: boolean;
  /** Of each of two maps. */
  readonly records: number;
  readonly tosInKey: boolean;
}

interface Observed {
  readonly device: Device;
  readonly kernelIndex: number;
  readonly links: readonly number[];
  readonly promiscuous: PacketSocket | undefined;
}

/**
 * Flows of this machine's interfaces, as the kernel has counted them: each packet of a batch is the first one of an
 * aggregate, and `Batch.aggregates` says what followed.
 */
export class EbpfSource implements LiveSource {
  readonly aggregated = true;
  readonly interfaces: Device[] = [];
  readonly counters: SourceCounters = { packets: 0, bytes: 0, totalBytes: undefined, dropped: 0, damaged: {} };
  readonly warnings: string[] = [];
  readonly names: ReadonlyMap<string, string> = new Map();

  private readonly options: EbpfSourceOptions;
  private readonly monitor: LinkMonitor;
  private readonly tables: Tables;
  private readonly poller: Poller;
  private readonly frames: Frames;
  private readonly timeLine = new TimeLine();
  /** By slot: what the programs have counted, as of the last look. */
  private readonly counts: SlotCounts[] = [];
  private observed: Observed[] = [];
  /** Records that are not handed out: from `next` to `ready`, in the order in which they were begun. */
  private next = 0;
  private ready = 0;
  /** All packets before this time are in our hands. */
  private clockSeconds: number;
  private clockNanos: number;
  private exchangedAt = 0;
  /** Records begun at the last look; Infinity: there was none yet. */
  private begun = Infinity;
  private paused = false;
  private stopped = false;
  private drained = false;
  private closed = false;
  /** The counters are gone. */
  private over = false;
  private missing = false;
  private attended = 0;
  private firstError: unknown;
  /** What is under way in the kernel. */
  private busy: Promise<void> = Promise.resolve();

  /** @throws SystemError */
  constructor(options: EbpfSourceOptions, monitor: LinkMonitor) {
    this.options = options;
    this.monitor = monitor;
    this.tables = new Tables(options.records, options.tosInKey);
    try {
      this.frames = new Frames(MOST_PACKETS, this.timeLine);
      this.poller = new Poller();
    } catch (error) {
      this.tables.close();
      throw error;
    }
    this.poller.add(monitor.changes);
    this.clockSeconds = this.timeLine.seconds;
    this.clockNanos = this.timeLine.nanos;
  }

  /**
   * Begins to observe the interfaces that are there.
   * @throws EbpfUnavailable the kernel does not do it, or does not let us
   */
  async begin(links: readonly Link[]): Promise<void> {
    this.reconcile(links);
    if (this.firstError !== undefined) throw this.firstError;
    await this.tables.exchange(true);
  }

  statistics(): readonly LiveInterface[] {
    this.readCounts();
    return this.interfaces.map((device) => {
      const { packets, dropped } = this.counts[device.index];
      return device.report(packets, dropped);
    });
  }

  now(): { seconds: number; nanos: number } {
    return { seconds: this.clockSeconds, nanos: this.clockNanos };
  }

  get clockStep(): number {
    return this.timeLine.step;
  }

  pause(): void {
    this.paused = true;
    this.poller.interrupt();
  }

  resume(): void {
    this.paused = false;
    this.poller.interrupt();
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.detachAll();
    this.poller.interrupt();
  }

  fill(batch: Batch): number {
    this.frames.attach(batch);
    if (this.closed) return 0;
    const { frames, interfaces, counters } = this;
    const end = Math.min(this.ready, this.next + Math.min(batch.capacity, MOST_PACKETS));
    for (let n = this.next; n < end; n++) {
      const packets = frames.put(batch, n);
      const i = batch.count - 1;
      const device = interfaces[batch.iface[i]];
      device.packets += packets;
      device.bytes += batch.wire[i] + frames.aggregates.wire[i];
      if (batch.frameDirection[i] === 2) device.transmitted += packets;
      counters.packets += packets;
    }
    this.next = end;
    return batch.count;
  }

  async more(): Promise<boolean> {
    if (this.closed) return false;
    if (this.next < this.ready) return true;
    this.attend();
    if (this.drained) return false;
    if (!this.isDue()) {
      this.begun = this.tables.begun;
      await this.poller.wait(LOOK_MS);
    }
    if (this.closed) return false;
    if (this.isDue()) {
      this.busy = this.collect();
      await this.busy;
    } else this.passIdle();
    return !this.closed;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.detachAll();
    // Descriptors stay open as long as the kernel may be asked about them.
    await this.busy.catch(() => undefined);
    this.readCounts();
    this.over = true;
    this.poller.remove(this.monitor.changes);
    this.poller.close();
    this.monitor.close();
    this.tables.close();
  }

  /** It is time to take what the kernel has, or to let it begin. */
  private isDue(): boolean {
    const { tables } = this;
    if (this.stopped || this.paused === tables.open) return true;
    const { begun } = tables;
    const soon = begun + LOOKS_AHEAD * (begun - this.begun);
    if (begun > tables.capacity * FULL_ENOUGH || soon > tables.capacity) return true;
    return begun > 1 && performance.now() - this.exchangedAt >= INTERVAL_MS;
  }

  /** Lets time pass if the kernel has nothing. */
  private passIdle(): void {
    const { timeLine } = this;
    timeLine.refresh();
    if (this.tables.begun > 1) return;
    this.clockSeconds = timeLine.seconds;
    this.clockNanos = timeLine.nanos;
  }

  /** Lets the kernel fill the other map, and takes the one that it has filled. */
  private async collect(): Promise<void> {
    const { tables } = this;
    this.exchangedAt = performance.now();
    this.timeLine.refresh();
    const { seconds, nanos } = this.timeLine;
    const open = !this.paused && !this.stopped;
    const records = open || tables.open ? await tables.exchange(open) : undefined;
    this.begun = Infinity;
    if (records !== undefined) {
      this.frames.use(records);
      this.next = 1;
      this.ready = tables.countIn(records);
      this.counters.bytes += this.ready * RECORD_BYTES;
    }
    // What came before the exchange is in our hands now.
    this.clockSeconds = seconds;
    this.clockNanos = nanos;
    this.drained = this.stopped && !tables.open;
  }

  private readCounts(): void {
    if (!this.over) for (const { index } of this.interfaces) this.tables.read(index, this.counts[index]);
    let dropped = 0;
    for (const device of this.interfaces) {
      const counts = this.counts[device.index];
      device.superFrames = counts.superFrames;
      device.segments = counts.segments;
      dropped += counts.dropped;
    }
    this.counters.dropped = dropped;
  }

  private attend(): void {
    if (this.stopped) return;
    this.timeLine.refresh();
    const now = this.timeLine.seconds;
    const again = this.missing && now - this.attended >= RETRY_SECONDS;
    if (!this.monitor.changed() && !again) return;
    this.attended = now;
    try {
      this.reconcile(this.monitor.list());
    } catch (error) {
      this.warn(`the list of interfaces cannot be read: ${(error as Error).message}`);
    }
  }

  /** Leaves interfaces that are gone, takes up those that are wanted and not observed. */
  private reconcile(links: readonly Link[]): void {
    const present = new Map(links.map((link) => [link.index, link]));
    this.observed = this.observed.filter((one) => {
      const link = present.get(one.kernelIndex);
      if (link !== undefined) {
        one.device.describe(link);
        return true;
      }
      one.device.state = 'gone';
      detach(one);
      return false;
    });
    this.missing = false;
    for (const link of links) {
      if (!this.options.wanted.matches(link.name)) continue;
      if (this.observed.some(({ kernelIndex }) => kernelIndex === link.index)) continue;
      const device = this.deviceNamed(link);
      if (device === undefined) continue;
      try {
        this.open(device, link);
      } catch (error) {
        this.firstError ??= error;
        this.missing = true;
        device.state = 'down';
        const { message } = error as Error;
        if (device.lastError !== message) this.warn(message);
        device.lastError = message;
      }
    }
  }

  /** @throws EbpfUnavailable */
  private open(device: Device, link: Link): void {
    const { netns, promiscuous } = this.options;
    const ethernet = ETHERNET_HARDWARE.includes(link.hardware);
    if (!ethernet && link.hardware !== NO_HARDWARE) {
      throw new EbpfUnavailable(`frames of ${link.name} (hardware type ${link.hardware}) cannot be read in the kernel`);
    }
    // Whatever goes out of the loopback interface comes in again.
    const directions = link.hardware === LOOPBACK_HARDWARE ? ([1] as const) : ([1, 2] as const);
    let links: readonly number[] = [];
    let socket: PacketSocket | undefined;
    try {
      inNetns(netns, () => {
        links = this.tables.attach(link.index, device.index, ethernet, directions);
        if (!promiscuous) return;
        socket = new PacketSocket();
        socket.promiscuous(link.index);
      });
    } catch (error) {
      detach({ links, promiscuous: socket });
      throw unavailable(error, link.name);
    }
    this.observed.push({ device, kernelIndex: link.index, links, promiscuous: socket });
    device.describe(link);
    device.lastError = undefined;
  }

  /** The place of an interface in the list, a former one of that name if there is one. Undefined: the list is full. */
  private deviceNamed(link: Link): Device | undefined {
    const same = this.interfaces.find(({ name }) => name === link.name);
    if (same !== undefined) return same;
    const index = this.interfaces.length;
    if (index >= MAX_SLOTS) {
      this.warn(`more than ${MAX_SLOTS} interfaces: ${link.name} is not observed`);
      return undefined;
    }
    const device = new Device(index, link.name, linkTypeOf(link.hardware), 0, 1);
    this.counts.push({ packets: 0, dropped: 0, superFrames: 0, segments: 0 });
    this.interfaces.push(device);
    return device;
  }

  private detachAll(): void {
    for (const one of this.observed.splice(0)) detach(one);
  }

  private warn(text: string): void {
    if (this.warnings.length < MAX_WARNINGS && !this.warnings.includes(text)) this.warnings.push(text);
  }
}

function detach({ links, promiscuous }: Pick<Observed, 'links' | 'promiscuous'>): void {
  for (const link of links) closeDescriptor(link);
  promiscuous?.close();
}
