/**
 * The library. See docs/library.md; `readFlows` reads captures, `Meter` takes packets from anywhere.
 */
export type { EndedFlow, FlowView, LiveFlow } from './control/flow-view.js';
export type { PacketTime, TransportEnds } from './control/packet-block.js';
export { Meter, type PacketMeterOptions } from './control/packet-meter.js';
export { type FlowReading, type FlowReadOptions, type FlowSource, readFlows } from './control/read-flows.js';
export type { Ledger } from './control/report.js';
export { ErrorCode, RheoError } from './core/errors.js';
export { DEFAULT_FEATURES, featureNames } from './meter/features/index.js';
export { DEFAULT_TIMEOUTS } from './meter/timeouts.js';
export { addressText } from './model/address.js';
export type { FlowHook, RecordField, SideTable } from './model/hook.js';
export {
  type MeterOptions,
  type ReadOptions,
  type Sampling,
  TIMEOUT_CLASSES,
  type TimeoutClass,
  type Timeouts,
  type WhenFull,
} from './model/options.js';
export type { QuotedFlow } from './model/quoted-flow.js';
export { readMembers } from './model/read-record.js';
export { approximateCounter, type FlowRecord, readCounter } from './model/record.js';
export type { RecordBatch, RecordLayout } from './model/record-batch.js';
export { CLASS_SHIFT, EndReason, REASON_SHIFT, Row, State } from './model/row.js';
export type { Interface } from './model/source.js';
export type { Progress, Summary, Time } from './model/summary.js';
export type { CaptureBytes } from './observe/given-bytes.js';
export { type Batch, Mark } from './packet/batch.js';
export { type BaseKey, KEY_PARTS, KeyKind, type KeyOptions, type KeyPart } from './packet/key.js';
export { NOTICE_NAMES, REFUSAL_NAMES, Refusal } from './packet/refusal.js';
export { TUNNEL_NAMES, type TunnelName } from './packet/tunnel.js';
