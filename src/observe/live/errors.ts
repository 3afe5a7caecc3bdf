import { ErrorCode, RheoError } from '../../core/errors.js';
import { SystemError } from '../../system/libc.js';

/** Capturing is not possible here: what is missing and how to give it. */
export function captureError(cause: unknown, name: string): unknown {
  if (!(cause instanceof SystemError)) return cause;
  if (cause.code === 'EPERM' || cause.code === 'EACCES') {
    return new RheoError(ErrorCode.input, `no right to capture at ${name}: the capability CAP_NET_RAW is missing`, {
      remedy: [
        'One of these gives it:',
        '  sudo rheo run …',
        `  sudo setcap cap_net_raw=ep ${process.execPath}   (every script that this node runs may then capture)`,
        '  AmbientCapabilities=CAP_NET_RAW   in the [Service] section of a systemd unit',
        '  docker run --cap-add=NET_RAW …',
        'Without it, packets can be piped in: sudo tcpdump -w - -U | rheo run -',
      ].join('\n'),
      cause,
    });
  }
  if (cause.code === 'ENOMEM' || cause.code === 'ENOBUFS') {
    return new RheoError(ErrorCode.limit, `no memory for the ring of ${name} (${cause.message})`, {
      remedy: 'Give the rings fewer or smaller blocks, or the machine more memory.',
      cause,
    });
  }
  if (cause.call === 'SO_ATTACH_FILTER') {
    return new RheoError(ErrorCode.filter, `the kernel refuses the filter for ${name} (${cause.message})`, { cause });
  }
  if (cause.call === 'PACKET_FANOUT' && (cause.code === 'EINVAL' || cause.code === 'ENOSPC')) {
    return new RheoError(ErrorCode.input, `cannot share ${name} between threads (${cause.message})`, {
      remedy: 'Another program may use the same fanout group: start again, which chooses another one.',
      cause,
    });
  }
  return new RheoError(ErrorCode.input, `cannot capture at ${name}: ${cause.message}`, { cause });
}

export function noInterface(missing: string, present: readonly string[]): RheoError {
  const shown = present.slice(0, 20).join(', ');
  const more = present.length > 20 ? `, and ${present.length - 20} more` : '';
  return new RheoError(ErrorCode.input, `there is no interface ${missing}`, {
    remedy: `Choose from: ${shown}${more}; or any for all of them, or a pattern such as 'eth*', which waits for interfaces.`,
  });
}
