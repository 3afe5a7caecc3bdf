import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalLinkType, describeRefusal, isSupportedLinkType, linkTypeName } from '../../src/codec/link-type.js';

test('the link layers that are promised are supported', () => {
  const promised = {
    Ethernet: 1,
    'raw IP': [12, 14, 101, 228, 229],
    'Linux cooked': [113, 276],
    'BSD null and loop': [0, 108],
    PPP: [9, 50, 51, 166, 204],
    HDLC: 104,
    SLIP: 8,
    '802.11': [105, 119, 127, 163],
    FDDI: 10,
    'Token Ring': 6,
    PFLOG: 117,
    NFLOG: 239,
    IPNET: 226,
  };
  for (const [name, numbers] of Object.entries(promised)) {
    for (const number of [numbers].flat()) assert.ok(isSupportedLinkType(number), `${name} (${number})`);
  }
});

test('numbers have the names of the registry', () => {
  assert.equal(linkTypeName(1), 'ETHERNET');
  assert.equal(linkTypeName(276), 'LINUX_SLL2');
  assert.equal(linkTypeName(12), 'RAW');
  assert.equal(linkTypeName(4711), undefined);
  assert.equal(canonicalLinkType(14), 101);
  assert.equal(canonicalLinkType(113), 113);
});

test('what is not supported is refused by name', () => {
  for (const usb of [186, 189, 220, 249, 266, 288, 293, 294, 295]) {
    assert.ok(!isSupportedLinkType(usb));
    assert.match(describeRefusal(usb), /^link type \d+ \(USB\w+\) carries USB transfers/);
  }
  assert.match(describeRefusal(187), /BLUETOOTH_HCI_H4.*Bluetooth/);
  assert.match(describeRefusal(227), /^link type 227 \(CAN_SOCKETCAN\) is not supported$/);
  assert.match(describeRefusal(65535), /^link type 65535 is not in the registry/);
});
