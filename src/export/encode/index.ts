import type { FlowEncoder } from '../../codec/flow-encoder.js';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { IpfixEncoder } from './ipfix-encoder.js';
import { LegacyEncoder } from './netflow5-encoder.js';
import { NetFlow9Encoder } from './netflow9-encoder.js';
import type { EncodeContext, EncodeOptions, RecordProtocol } from './options.js';

/** Least and greatest size of messages. Templates or records that do not fit into one are refused as `tooLarge`. */
export const MESSAGE_BYTES = { least: 512, most: 65_535 } as const;

/**
 * The encoder of one transport session or file.
 * @throws RheoError `RHEO_USAGE` for a field or a size that there is not, with what there is
 */
export function createFlowEncoder(
  protocol: RecordProtocol,
  options: EncodeOptions,
  context: EncodeContext,
): FlowEncoder {
  const { maxMessageBytes } = options;
  if (!(maxMessageBytes >= MESSAGE_BYTES.least && maxMessageBytes <= MESSAGE_BYTES.most)) {
    throw new RheoError(ErrorCode.usage, `messages of ${maxMessageBytes} bytes`, {
      remedy: `Give a size from ${MESSAGE_BYTES.least} to ${MESSAGE_BYTES.most} bytes.`,
    });
  }
  switch (protocol) {
    case 'ipfix':
      return new IpfixEncoder(options, context);
    case 'netflow9':
      return new NetFlow9Encoder(options, context);
    case 'netflow5':
      return new LegacyEncoder(5, options, context);
    case 'netflow1':
      return new LegacyEncoder(1, options, context);
  }
}
