/**
 * An IPFIX message with one record of each kind of list of RFC 6313: a basicList of strings, a subTemplateList of two records of
 * (octetDeltaCount in two bytes, interfaceName), a subTemplateMultiList of one record of it and one of a port.
 */
export function structuredMessage(): Uint8Array {
  const hex = [
    // Version 10, 111 bytes, export time, sequence, domain.
    '000a 006f 65920080 00000000 00000005',
    // Templates: 400 (1: 2 bytes, 82: variable), 401 (7: 2 bytes), 402 (291, 292, 293: variable).
    '0002 002c  0190 0002 0001 0002 0052 ffff  0191 0001 0007 0002  0192 0003 0123 ffff 0124 ffff 0125 ffff  0000 0000',
    // A record of 402 in a set of 51 bytes.
    '0192 0033',
    // basicList, 11 bytes: ordered, 82, variable, "ab", "c".
    '0b  04 0052 ffff  02 6162  01 63  00',
    // subTemplateList, 12 bytes: all of, 400: (5, "x"), (6, "yz").
    '0c  03 0190  0005 01 78  0006 02 797a',
    // subTemplateMultiList, with a length of three bytes: 19 bytes: 400 in 8 bytes, 401 in 6 bytes, nothing of 401.
    'ff 0013  01  0190 0008 0007 01 71  0191 0006 0050  0191 0004',
    // Nothing more.
  ];
  const bytes = Buffer.from(hex.join('').replaceAll(' ', ''), 'hex');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length).slice();
}
