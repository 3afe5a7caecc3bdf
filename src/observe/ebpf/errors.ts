import { VerifierError } from '../../system/bpf.js';
import { SystemError } from '../../system/libc.js';

/** The kernel cannot count flows here, or does not let us: the message says why. Rings may do all the same. */
export class EbpfUnavailable extends Error {
  override readonly name = 'EbpfUnavailable';
}

/** What a failed system call means for who wanted to count flows in the kernel. */
export function unavailable(error: unknown, what: string): unknown {
  if (!(error instanceof SystemError)) return error;
  return new EbpfUnavailable(`${what}: ${reasonOf(error)}`, { cause: error });
}

function reasonOf(error: SystemError): string {
  const { code, call } = error;
  if (code === 'EPERM' || code === 'EACCES') {
    // Of programs without CAP_PERFMON the kernel takes few, and says so in the words of a former time.
    if (error instanceof VerifierError && /for !root/.test(error.log)) {
      return `the capability CAP_PERFMON is missing (${error.message})`;
    }
    if (error instanceof VerifierError && error.log !== '') return refused(error);
    return `the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed (${error.message})`;
  }
  if (code === 'ENOSYS') return `this kernel has no bpf(2) (${error.message})`;
  if (error instanceof VerifierError) return refused(error);
  if (call === 'BPF_LINK_CREATE' && code === 'EINVAL') {
    return `this kernel has no tcx hooks, which came with Linux 6.6 (${error.message})`;
  }
  if (code === 'ENOMEM' || code === 'E2BIG') return `no memory for the maps (${error.message})`;
  return error.message;
}

function refused(error: VerifierError): string {
  const log = error.log === '' ? 'without saying why' : error.log.split('\n').slice(-4).join(' | ');
  return `the kernel refuses the program (${error.code}): ${log}`;
}
