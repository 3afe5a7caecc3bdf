/** What a client may take of the daemon. Bytes are of messages as they go over the wire. */
export interface RpcLimits {
  /** A request: a line on the socket, a body over HTTP. */
  requestBytes: number;
  /** Brackets inside brackets of a request. */
  depth: number;
  /** Requests in a batch. */
  batch: number;
  /** Answers of a batch together; those behind are refused. */
  batchAnswerBytes: number;
  /** Connections at one time, a transport. When all are taken, the one that is silent longest makes room for a new one. */
  connections: number;
  /** Requests of one connection that are worked on at one time; the others wait unread. */
  concurrent: number;
  /** Subscriptions of one connection, and of all of a transport. */
  subscriptionsEach: number;
  subscriptions: number;
  /** Bytes that wait for a reader; above it no request of it is begun and events for it are dropped. */
  queueBytes: number;
  /** A connection that takes none of what waits for it for so long is ended. In ms. */
  stallMs: number;
  /** A request must be whole so long after its first byte. In ms. */
  requestMs: number;
}

export const RPC_LIMITS: Readonly<RpcLimits> = {
  requestBytes: 1 << 20,
  depth: 32,
  batch: 20,
  batchAnswerBytes: 16 << 20,
  connections: 64,
  concurrent: 4,
  subscriptionsEach: 8,
  subscriptions: 64,
  queueBytes: 1 << 20,
  stallMs: 30_000,
  requestMs: 30_000,
};
