/**
 * The checksum of a book is CRC-32 over its best 10 asks, then its best 10 bids, best first, each as price then size
 * without decimal point and leading zeros: `BookSide.topText`. Source: Kraken's WebSocket API documentation, "Book
 * checksum".
 */

/** CRC-32 of each byte (ISO-HDLC, reflected, polynomial 0x04C11DB7). */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** CRC-32 of a text of ASCII characters, as of zlib: 0 to 2^32 - 1. */
export function crc32(text: string): number {
  let crc = -1;
  for (let at = 0; at < text.length; at++) crc = (crc >>> 8) ^ TABLE[(crc ^ text.charCodeAt(at)) & 0xff]!;
  return ~crc >>> 0;
}
