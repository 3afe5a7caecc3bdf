import assert from 'node:assert/strict';
import {
  ErrorCode,
  type FlowRecord,
  type LiveFlow,
  Meter,
  type PacketMeterOptions,
  RheoError,
} from '../../src/index.js';
import { ETHERNET, frameOf, type Packet, timeOf } from './packets.js';

/** A meter, and the records of the flows that it has ended. */
export function collecting(options: PacketMeterOptions = {}): { meter: Meter; records: FlowRecord[] } {
  const records: FlowRecord[] = [];
  return { meter: new Meter({ ...options, onEnd: (flow) => records.push(flow.record()) }), records };
}

export function add(meter: Meter, packet: Packet): LiveFlow | undefined {
  return meter.frame(frameOf(packet), ETHERNET, timeOf(packet));
}

/** The packet that the test is sure belongs to a flow. */
export function added<Data>(flow: LiveFlow<Data> | undefined): LiveFlow<Data> {
  assert.ok(flow !== undefined);
  return flow;
}

export function sorted(records: FlowRecord[]): string[] {
  return records.map((flow) => JSON.stringify(flow)).sort();
}

export function code(expected: ErrorCode, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RheoError, String(error));
    assert.equal(error.code, expected);
    assert.match(error.message, text);
    return true;
  };
}
export const usage = (text: RegExp): ((error: unknown) => boolean) => code(ErrorCode.usage, text);
