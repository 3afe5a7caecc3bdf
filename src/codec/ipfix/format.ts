/** IPFIX messages (RFC 7011 §3.1). */
export const IPFIX_VERSION = 10;
/** Version, length, export time, sequence number, observation domain. */
export const IPFIX_HEADER_BYTES = 16;
/** Set ids (RFC 7011 §3.3.2); from 256 on they are numbers of templates. */
export const IpfixSet = { template: 2, optionsTemplate: 3, data: 256 } as const;

/** NetFlow version 9 (RFC 3954 §5.1). */
export const NETFLOW9_VERSION = 9;
/** Version, count, sysUptime, UNIX seconds, sequence number, source id. */
export const NETFLOW9_HEADER_BYTES = 20;
export const NetFlow9Set = { template: 0, optionsTemplate: 1, data: 256 } as const;
