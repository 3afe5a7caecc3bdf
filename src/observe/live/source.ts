import { ErrorCode, RheoError } from '../../core/errors.js';
import type { LiveInterface, LiveSource } from '../../model/live-source.js';
import type { SourceCounters } from '../../model/source.js';
import type { Batch } from '../../packet/batch.js';
import type { SystemError } from '../../system/libc.js';
import type { Link, LinkMonitor } from '../../system/links.js';
import { namespaceIdentity } from '../../system/netns.js';
import type { BpfInstruction } from '../../system/packet-socket.js';
import { Poller } from '../../system/poller.js';
import { Dedupe, type DedupeOptions } from './dedupe.js';
import { Device } from './device.js';
import { captureError } from './errors.js';
import { CLOSED, socketProgram } from './kernel-program.js';
import { knownHardware, linkTypeOf } from './link-types.js';
import type { WantedNames } from './names.js';
import type { Ring, RingContext, RingMemory } from './ring.js';
import { type Observed, RETIRE_MS, RingSet, type RingSetOptions } from './ring-set.js';
import { TimeLine } from './time-line.js';

/** `more` waits no longer. */
const WAIT_MS = 250;
/** Interfaces that are missing are looked for so often. */
const RETRY_SECONDS = 1;
/** Packets after which `fill` says that it has none, so that the caller looks after other things. */
const TURN_PACKETS = 1 << 13;
/** What a socket that ends may take until its ring is empty. */
const DRAIN_SECONDS = 1;
const MAX_WARNINGS = 100;
/** Interfaces that are told apart; from then on, new ones take the places of those that are gone. */
const MAX_DEVICES = 4096;
const NO_LIMIT = 0xffffffff;

/** A LiveSource whose gates are closed at first if it shares packets with other threads. */
export interface LiveCapture extends LiveSource {
  /**
   * Lets packets in. To be called when all threads of the fanout have opened their source: whoever joined early would
   * get packets of flows that are another thread's later on. Without fanout the gates are open from the start.
   */
  release(): void;
}

export interface SourceOptions extends RingSetOptions {
  readonly wanted: WantedNames;
  readonly any: boolean;
  readonly snapLength: number;
  readonly kernelFilter: readonly BpfInstruction[] | undefined;
  readonly dedupe: DedupeOptions | undefined;
  readonly oneIn: number;
}

/** Packets of this machine's interfaces: a ring for each of them, or one for all. */
export class RingSource implements LiveCapture, RingContext {
  readonly interfaces: Device[] = [];
  readonly counters: SourceCounters = { packets: 0, bytes: 0, totalBytes: undefined, dropped: 0, damaged: {} };
  readonly warnings: string[] = [];
  readonly names: ReadonlyMap<string, string> = new Map();
  readonly memory: RingMemory;
  readonly timeLine: TimeLine = new TimeLine();
  readonly dedupe: Dedupe | undefined;
  readonly offloadTold: boolean;

  private readonly options: SourceOptions;
  private readonly monitor: LinkMonitor;
  private readonly poller: Poller;
  private readonly rings: RingSet;
  private observed: Observed[] = [];
  /** By kernel index, for sockets that hear all interfaces. */
  private readonly devices = new Map<number, Device>();
  private gated: boolean;
  private paused = false;
  private stopped = false;
  private closed = false;
  /** Something that is wanted is not observed. */
  private missing = false;
  private attended = 0;
  private turn = 0;
  private firstError: unknown;
  /** The namespace that was entered, if one was named, and when it was looked for last. */
  private readonly namespace: string | undefined;
  private namespaceSeen = 0;

  /** @throws SystemError */
  constructor(options: SourceOptions, monitor: LinkMonitor) {
    this.options = options;
    this.monitor = monitor;
    this.offloadTold = options.offloadTold;
    this.gated = options.fanout !== undefined;
    this.dedupe = options.dedupe === undefined ? undefined : new Dedupe(options.dedupe);
    this.namespace = options.netns === undefined ? undefined : namespaceIdentity(options.netns);
    this.rings = new RingSet(options);
    this.memory = this.rings.memory;
    this.poller = new Poller();
    try {
      this.poller.add(monitor.changes);
    } catch (error) {
      this.poller.close();
      throw error;
    }
  }

  /**
   * Opens the rings of the interfaces that are there.
   * @throws RheoError the first interface that was named, or all that a pattern names, cannot be observed
   */
  begin(links: readonly Link[]): void {
    if (this.options.any) {
      const device = this.addDevice('any', linkTypeOf(1));
      this.open(device, undefined);
      return;
    }
    this.reconcile(links);
    if (this.firstError !== undefined) throw this.firstError;
  }

  statistics(): readonly LiveInterface[] {
    const kernel = this.interfaces.map((device) => device.formerKernel);
    const dropped = this.interfaces.map((device) => device.formerDropped);
    for (const { ring } of this.observed) {
      this.count(ring);
      kernel[ring.device.index] += ring.kernel;
      dropped[ring.device.index] += ring.socket.dropped;
    }
    this.counters.dropped = dropped.reduce((sum, count) => sum + count, 0);
    if (this.options.any) {
      // The kernel counts for the socket. What was taken belongs to an interface; the first row keeps the rest.
      for (const device of this.interfaces.slice(1)) {
        kernel[device.index] = device.taken;
        kernel[0] -= device.taken;
      }
    }
    return this.interfaces.map((device) => device.report(kernel[device.index], dropped[device.index]));
  }

  now(): { seconds: number; nanos: number } {
    this.timeLine.refresh();
    return { seconds: this.timeLine.seconds, nanos: this.timeLine.nanos };
  }

  get clockStep(): number {
    return this.timeLine.step;
  }

  release(): void {
    this.gated = false;
    this.setFilters();
  }

  pause(): void {
    this.paused = true;
    this.setFilters();
  }

  resume(): void {
    this.paused = false;
    this.setFilters();
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.setFilters();
    for (const one of this.observed) this.end(one);
    this.poller.interrupt();
  }

  fill(batch: Batch): number {
    batch.attach(this.memory.bytes, this.memory.view);
    batch.hasFrameDirection = true;
    if (this.closed) return 0;
    this.releaseBlocks();
    if (this.turn >= TURN_PACKETS) return 0;
    if (this.observed.length === 1) this.fillFromOne(batch, this.observed[0].ring);
    else this.fillMerged(batch);
    this.turn += batch.count;
    this.counters.packets += batch.count;
    return batch.count;
  }

  async more(): Promise<boolean> {
    this.turn = 0;
    if (this.closed) return false;
    this.releaseBlocks();
    this.attend();
    if (this.observed.some(({ ring }) => ring.ready())) return true;
    if (this.stopped && this.observed.length === 0) return false;
    if (!this.stopped) this.checkNamespace();
    const ending = this.observed.some(({ ring }) => ring.ending);
    await this.poller.wait(ending ? RETIRE_MS : WAIT_MS);
    if (this.closed) return false;
    if (!this.observed.some(({ ring }) => ring.ready())) this.takeErrors();
    return true;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const one of this.observed) this.shut(one);
    this.observed = [];
    this.poller.remove(this.monitor.changes);
    this.poller.close();
    this.monitor.close();
  }

  deviceOf(kernelIndex: number): Device {
    let device = this.devices.get(kernelIndex);
    if (device === undefined) {
      const link = this.linkOf(kernelIndex);
      // Gone in the meantime: its packets stand with those of the socket.
      device = link === undefined ? this.interfaces[0] : (this.deviceNamed(link) ?? this.interfaces[0]);
      if (link !== undefined && device.index !== 0) device.describe(link);
      this.devices.set(kernelIndex, device);
    }
    return device;
  }

  private linkOf(kernelIndex: number): Link | undefined {
    try {
      return this.monitor.list().find(({ index }) => index === kernelIndex);
    } catch (error) {
      this.warn(`the list of interfaces cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  private fillFromOne(batch: Batch, ring: Ring): void {
    while (batch.count < batch.capacity && ring.ready()) ring.take(batch, NO_LIMIT, 0);
  }

  /** Takes from the ring whose next packet is the earliest, up to the next packet of the others. */
  private fillMerged(batch: Batch): void {
    const { observed } = this;
    while (batch.count < batch.capacity) {
      let earliest: Ring | undefined;
      let seconds = NO_LIMIT;
      let nanos = 0;
      for (let i = 0; i < observed.length; i++) {
        const { ring } = observed[i];
        if (!ring.ready()) continue;
        if (earliest === undefined) earliest = ring;
        else if (isBefore(ring.headSeconds, ring.headNanos, earliest.headSeconds, earliest.headNanos)) {
          seconds = earliest.headSeconds;
          nanos = earliest.headNanos;
          earliest = ring;
        } else if (isBefore(ring.headSeconds, ring.headNanos, seconds, nanos)) {
          seconds = ring.headSeconds;
          nanos = ring.headNanos;
        }
      }
      if (earliest === undefined) return;
      earliest.take(batch, seconds, nanos);
    }
  }

  private releaseBlocks(): void {
    const { observed } = this;
    for (let i = 0; i < observed.length; i++) observed[i].ring.release();
  }

  private seconds(): number {
    return this.timeLine.seconds + this.timeLine.nanos / 1e9;
  }

  /** What is to be done now and then: changes of interfaces, rings that have come to their end. */
  private attend(): void {
    this.timeLine.refresh();
    const now = this.seconds();
    const rings = this.observed.length;
    for (const one of [...this.observed]) if (one.ring.ending) this.finish(one, now);
    if (this.stopped) return;
    // A ring that was closed has made room for another.
    const again = this.missing && (this.observed.length < rings || now - this.attended >= RETRY_SECONDS);
    if (!this.monitor.changed() && !again) return;
    this.attended = now;
    let links: Link[];
    try {
      links = this.monitor.list();
    } catch (error) {
      this.warn(`the list of interfaces cannot be read: ${(error as Error).message}`);
      return;
    }
    if (this.options.any) this.describeAll(links);
    else this.reconcile(links);
  }

  /** @throws RheoError input: the name stands for another namespace now, and who opens anew gets into that */
  private checkNamespace(): void {
    const { netns } = this.options;
    const now = this.seconds();
    if (netns === undefined || this.namespace === undefined || now - this.namespaceSeen < RETRY_SECONDS) return;
    this.namespaceSeen = now;
    const found = namespaceIdentity(netns);
    if (found === undefined || found === this.namespace) return;
    throw new RheoError(ErrorCode.input, `the network namespace ${netns} is another one now`);
  }

  /** For a socket that hears all interfaces: which of them are up, down or gone. */
  private describeAll(links: readonly Link[]): void {
    const present = new Map(links.map((link) => [link.index, link]));
    for (const [kernelIndex, device] of this.devices) {
      const link = present.get(kernelIndex);
      if (link !== undefined && device !== this.interfaces[0]) device.describe(link);
      else if (link === undefined) {
        this.devices.delete(kernelIndex);
        if (device.kernelIndex === kernelIndex) device.state = 'gone';
      }
    }
  }

  /** Ends rings whose interface is gone, opens those that are wanted and not observed. */
  private reconcile(links: readonly Link[]): void {
    const present = new Map(links.map((link) => [link.index, link]));
    const taken = new Set<number>();
    for (const one of this.observed) {
      const link = present.get(one.kernelIndex);
      if (link !== undefined) {
        one.ring.device.describe(link);
        if (!one.ring.ending) taken.add(link.index);
      } else if (!one.ring.ending) {
        one.ring.device.state = 'gone';
        this.end(one);
      }
    }
    this.missing = false;
    for (const link of links) {
      if (taken.has(link.index) || !this.options.wanted.matches(link.name)) continue;
      const device = this.deviceNamed(link);
      if (device === undefined) continue;
      try {
        this.checkLink(link);
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

  private checkLink(link: Link): void {
    if (knownHardware(link.hardware)) return;
    throw new RheoError(
      ErrorCode.linkType,
      `frames of ${link.name} cannot be read: its hardware type is ${link.hardware} (linux/if_arp.h)`,
    );
  }

  /** The place of an interface in the list, a former one of that name if there is one. Undefined: the list is full. */
  private deviceNamed(link: Link): Device | undefined {
    const same = this.interfaces.find(({ name, index }) => name === link.name && !(this.options.any && index === 0));
    if (same !== undefined) return same;
    if (this.interfaces.length < MAX_DEVICES) return this.addDevice(link.name, linkTypeOf(link.hardware));
    const gone = this.interfaces.find((device) => device.state === 'gone' && !this.isObserved(device));
    if (gone === undefined) this.warn(`more than ${MAX_DEVICES} interfaces: ${link.name} is not told apart`);
    else gone.describe(link);
    return gone;
  }

  private isObserved(device: Device): boolean {
    return this.observed.some(({ ring }) => ring.device === device);
  }

  private addDevice(name: string, linkType: number): Device {
    const { snapLength, oneIn } = this.options;
    const device = new Device(this.interfaces.length, name, linkType, snapLength, oneIn);
    this.interfaces.push(device);
    return device;
  }

  /** @param link undefined: all interfaces @throws RheoError */
  private open(device: Device, link: Link | undefined): void {
    const one = this.rings.open(this, device, link);
    try {
      this.setFilter(one);
      this.poller.add(one.ring.socket.fd);
    } catch (error) {
      this.rings.shut(one);
      throw captureError(error, device.name);
    }
    this.observed.push(one);
    if (link !== undefined) device.describe(link);
  }

  private setFilters(): void {
    for (const one of this.observed) if (!one.ring.ending) this.setFilter(one);
  }

  private setFilter({ ring, loopback }: Observed): void {
    const { kernelFilter, snapLength, oneIn } = this.options;
    const open = !this.gated && !this.paused && !this.stopped;
    ring.socket.attachFilter(open ? socketProgram({ filter: kernelFilter, snapLength, oneIn, loopback }) : CLOSED);
  }

  private end(one: Observed): void {
    this.timeLine.refresh();
    one.ring.ending = true;
    one.deadline = this.seconds() + DRAIN_SECONDS;
  }

  /** Closes a ring that is ending, once it is empty. */
  private finish(one: Observed, now: number): void {
    const { ring } = one;
    if (ring.ready()) return;
    this.count(ring);
    const waiting = ring.kernel - ring.socket.dropped - ring.taken;
    if (waiting > 0 && now < one.deadline) return;
    if (waiting > 0) ring.device.lastError = `${waiting} packets could not be read from the ring`;
    this.shut(one);
    this.observed = this.observed.filter((other) => other !== one);
  }

  private shut(one: Observed): void {
    this.count(one.ring);
    this.poller.remove(one.ring.socket.fd);
    this.rings.shut(one);
  }

  /** Has the kernel's counts brought up to now. If it does not give them, it keeps them for the next time. */
  private count(ring: Ring): void {
    try {
      ring.socket.readStatistics();
    } catch (error) {
      ring.device.lastError = `what the kernel has counted cannot be read: ${(error as Error).message}`;
    }
  }

  /** A socket whose interface went down says so once, and goes on when it is up again. */
  private takeErrors(): void {
    for (const { ring } of this.observed) {
      let error: SystemError | undefined;
      try {
        error = ring.socket.takeError();
      } catch (cause) {
        // It is asked again at the next silence; packets come all the same.
        error = cause as SystemError;
      }
      if (error === undefined) continue;
      ring.device.lastError = error.code === 'ENETDOWN' ? 'the interface went down' : error.message;
    }
  }

  private warn(text: string): void {
    if (this.warnings.length < MAX_WARNINGS) this.warnings.push(text);
  }
}

function isBefore(seconds: number, nanos: number, otherSeconds: number, otherNanos: number): boolean {
  return seconds < otherSeconds || (seconds === otherSeconds && nanos < otherNanos);
}
