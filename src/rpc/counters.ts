/** What came in over the control transports, and what was refused or dropped. One object for all transports of a daemon. */
export class RpcCounters {
  /** Connections accepted, open now, refused or ended to make room for others. */
  connections = 0;
  open = 0;
  refusedConnections = 0;
  /** Connections ended because their reader took nothing (limits.ts, `stallMs`). */
  stalledConnections = 0;
  /** Requests, and those of them that were answered with an error. Notifications count. */
  requests = 0;
  errors = 0;
  /** Requests without the right to ask: token, Host, Origin. */
  denied = 0;
  /** Subscriptions now. */
  subscriptions = 0;
  /** Events that were not queued for slow readers, and the flow records in them. */
  eventsDropped = 0;
  recordsDropped = 0;
}
