import type { CaptureInterface, DamageReason } from '../codec/capture.js';
import { addressText } from '../model/address.js';
import type { Interface, SourceCounters } from '../model/source.js';

/** Bounds on what a stranger's capture can make us keep. */
const MAX_WARNINGS = 100;
const MAX_NAMES = 65_536;
const MAX_INTERFACES = 65_536;

/** What is gathered while captures are read: one object for all files of a source. */
export class CaptureState {
  readonly interfaces: Interface[] = [];
  readonly counters: SourceCounters = { packets: 0, bytes: 0, totalBytes: undefined, dropped: 0, damaged: {} };
  readonly warnings: string[] = [];
  readonly names = new Map<string, string>();
  private suppressed = 0;
  /** Interfaces by what describes them: the same one in several sections or files is one. */
  private readonly known = new Map<string, number>();
  private readonly words = new Int32Array(4);

  /**
   * Number of an interface. One that is described alike in another section or file is the same interface; two of one
   * section never are: there, the second of two equal ones is the same as the second elsewhere.
   * @param section how often each description was met in the section so far
   * @returns -1 if there are too many
   */
  addInterface(info: CaptureInterface, fallbackName: string, section: Map<string, number>): number {
    const { linkType, snapLength, description } = info;
    const name = info.name ?? fallbackName;
    const described = JSON.stringify([name, linkType, snapLength, description]);
    const ordinal = section.get(described) ?? 0;
    section.set(described, ordinal + 1);
    const key = `${ordinal} ${described}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const index = this.interfaces.length;
    if (index >= MAX_INTERFACES) return -1;
    const told = { index, name, linkType, snapLength };
    this.interfaces.push(description === undefined ? told : { ...told, description });
    this.known.set(key, index);
    return index;
  }

  countDamage(reason: DamageReason): void {
    const { damaged } = this.counters;
    damaged[reason] = (damaged[reason] ?? 0) + 1;
  }

  warn(message: string): void {
    if (this.warnings.length < MAX_WARNINGS) {
      this.warnings.push(message);
      return;
    }
    this.suppressed++;
    this.warnings[MAX_WARNINGS] = `and ${this.suppressed} more warnings`;
  }

  addName(address: Uint8Array, name: string): void {
    const { words } = this;
    const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
    for (let i = 0; i < address.length / 4; i++) words[i] = view.getInt32(4 * i);
    const text = addressText(words, 0, address.length === 4 ? 4 : 6);
    if (this.names.size < MAX_NAMES || this.names.has(text)) this.names.set(text, name);
  }
}
