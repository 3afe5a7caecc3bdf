import type { EncodeOptions } from './encode/options.js';
import type { TargetUrl } from './target-url.js';

/** Options of the query as encoders of flow records take them. */
export function encodeOptions({ options, transport }: TargetUrl, maxMessageBytes: number): EncodeOptions {
  const { domain, time, biflow, pen } = options;
  const fields = options.fields ?? (options.profile === undefined ? undefined : [options.profile]);
  return {
    maxMessageBytes,
    reliable: transport !== 'udp',
    ...(domain === undefined ? {} : { observationDomain: domain }),
    ...(fields === undefined ? {} : { fields }),
    ...(time === undefined ? {} : { time }),
    ...(biflow === undefined ? {} : { biflow }),
    ...(pen === undefined ? {} : { enterprise: pen }),
  };
}
