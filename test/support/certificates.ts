import { execFileSync } from 'node:child_process';
import path from 'node:path';

/**
 * An authority of certificates in a folder, made by openssl: NAME.pem and NAME.key. Good for two days.
 */
export class Authority {
  private readonly folder: string;
  private readonly name: string;

  constructor(folder: string, name = 'ca') {
    this.folder = folder;
    this.name = name;
    this.openssl('req', '-x509', ...this.key(name), '-out', `${name}.pem`, '-subj', `/CN=${name}`, '-days', '2');
  }

  get certificate(): string {
    return path.join(this.folder, `${this.name}.pem`);
  }

  /** Makes a certificate for a DNS name, `NAME.pem` and `NAME.key`. @returns their paths */
  issue(name: string, dns: string): { cert: string; key: string } {
    const request = ['-subj', `/CN=${dns}`, '-addext', `subjectAltName=DNS:${dns}`, '-out', `${name}.csr`];
    this.openssl('req', ...this.key(name), ...request);
    const signer = ['-CA', `${this.name}.pem`, '-CAkey', `${this.name}.key`, '-CAcreateserial'];
    this.openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...signer,
      '-copy_extensions',
      'copy',
      '-days',
      '2',
      '-out',
      `${name}.pem`,
    );
    return { cert: path.join(this.folder, `${name}.pem`), key: path.join(this.folder, `${name}.key`) };
  }

  private key(name: string): string[] {
    return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
  }

  private openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: 'pipe' });
  }
}
