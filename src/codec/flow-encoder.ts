/**
 * Contract between who encodes flow records into messages (export/encode) and who sends them (export). One encoder serves one
 * transport session or one file: it owns template ids, sequence numbers and the message under construction.
 *
 *     encoder.announce(info);                       // at the start, and again to resend (UDP)
 *     for each record:
 *       for (;;) {
 *         if (!encoder.open) encoder.begin(nowMs);
 *         if (encoder.add(batch, index) !== Added.full) break;
 *         send(encoder.finish());                   // then again with the same record: it goes on where it stopped
 *       }
 *     when nothing shall wait any longer:
 *     while (encoder.open || encoder.pending) {
 *       if (!encoder.open) encoder.begin(nowMs);
 *       send(encoder.finish());                     // skip messages whose `bytes` is empty
 *     }
 */

/** What encoders read of a batch of records; model/record-batch.ts is one. */
export interface RecordRows {
  readonly layout: {
    readonly stride: number;
    readonly keyOffset: number;
    readonly keyParts: readonly string[];
    readonly side: Readonly<Record<string, number>>;
  };
  readonly words: Int32Array;
  readonly unsigned: Uint32Array;
  readonly bytes: Uint8Array;
  readonly doubles: Float64Array;
  readonly quoted: Map<number, Int32Array>;
  readonly capacity: number;
  count: number;
}

/** What became of a record. */
export const Added = {
  /** It is in the message as a whole (or the rest of it, after `full`). */
  done: 0,
  /** It, or a part of it, did not fit: finish this message, begin another, add the same record again. */
  full: 1,
  /** The protocol cannot carry it: counted in `refused`, nothing was written. */
  refused: 2,
} as const;
export type Added = (typeof Added)[keyof typeof Added];

export interface EncodedMessage {
  /** The message; memory of the encoder, valid until the next `begin`. Empty: there is nothing to send. */
  readonly bytes: Uint8Array;
  /** Flow records that are complete with this message (a record may take several data records, also across messages). */
  readonly records: number;
  /** Data records in it, of options too: what IPFIX sequence numbers count. */
  readonly dataRecords: number;
  /** True if it holds templates or options (to be sent to all who share a session). */
  readonly announces: boolean;
}

/** What options records tell the collector; all counts since the start. */
export interface ExporterInfo {
  /** Interfaces by the number that records carry (ifIndex; 0 is never used). */
  readonly interfaces: readonly { readonly number: number; readonly name: string; readonly description?: string }[];
  /** One packet in `n`. Absent: every packet. */
  readonly sampling?: { readonly mode: 'count' | 'random' | 'hash'; readonly n: number };
  /** The metering process: packets and bytes that came to it, and packets not metered (refused or dropped before it). */
  readonly metering: {
    readonly packets: number;
    readonly ignoredPackets: number;
    readonly ignoredOctets: number;
    /** Flow records that the exporting process dropped, and the packets and bytes in them, where known. */
    readonly notSentFlows: number;
    readonly notSentPackets: number;
    readonly notSentOctets: number;
  };
  /** What the exporting process has sent: IP messages, octets, flow records. */
  readonly exported: { readonly messages: number; readonly octets: number; readonly records: number };
}

export interface FlowEncoder {
  /** Bytes of the longest message that `finish` will return. */
  readonly maxMessageBytes: number;
  /** A message was begun and is not finished. */
  readonly open: boolean;
  /** Data records in the open message. */
  readonly waiting: number;
  /** Templates or options wait for a message; `begin` puts in as many as fit, and no record goes out before them. */
  readonly pending: boolean;
  /** Records that the protocol cannot carry, by reason (`notIpv4`, `tooLarge`). */
  readonly refused: Readonly<Record<string, number>>;
  /**
   * Asks for all templates known so far and the options of `info` to be sent with the next messages. A template that is
   * needed for the first time goes out by itself, in front of the record that needs it. Nothing for v1, v5.
   */
  announce(info: ExporterInfo | undefined): void;
  /** Forgets what the peer knows: a new connection, another file. Sequence numbers begin at 0, templates are sent again. */
  reset(): void;
  /**
   * Withdraws all templates (RFC 7011 §8.1; TCP and SCTP before they are used otherwise or at the end). Nothing but IPFIX
   * has this. Goes out with the next message.
   */
  withdraw(): void;
  /**
   * Begins a message.
   * @param nowMs export time, in ms since 1970
   */
  begin(nowMs: number): void;
  /** Adds record `index` of the batch; a message must be open. Does not allocate for members of the core. */
  add(batch: RecordRows, index: number): Added;
  /** Ends the message and counts it into the sequence. */
  finish(): EncodedMessage;
}
