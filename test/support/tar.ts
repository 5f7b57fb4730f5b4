import { closeSync, openSync, writeSync } from 'node:fs'

const BLOCK = 512

export interface TarFile {
  readonly name: string
  readonly size: number
  readonly content: Iterable<Uint8Array>
}

export function tarFile(name: string, content: string | Uint8Array): TarFile {
  const bytes = Buffer.from(content)
  return { name, size: bytes.length, content: [bytes] }
}

/**
 * Generates a tar archive in batches, so that its files may be larger than memory. The same files give the same bytes.
 */
export function* tarBatches(files: Iterable<TarFile>): Generator<Uint8Array> {
  for (const file of files) {
    yield header(file)
    yield* file.content
    yield Buffer.alloc(-file.size & (BLOCK - 1))
  }
  yield Buffer.alloc(2 * BLOCK)
}

export function tar(...files: TarFile[]): Buffer<ArrayBuffer> {
  return Buffer.concat([...tarBatches(files)])
}

/** Writes an archive to a file. @returns the path */
export function writeTar(path: string, files: Iterable<TarFile>): string {
  const descriptor = openSync(path, 'w')
  for (const batch of tarBatches(files)) writeSync(descriptor, batch)
  closeSync(descriptor)
  return path
}

/** POSIX ustar, IEEE 1003.1 "ustar Interchange Format". */
function header({ name, size }: TarFile): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`
  block.write(name, 0)
  block.write(octal(0o644, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(size, 12), 124)
  block.write(octal(0, 12), 136)
  block.write(' '.repeat(8), 148)
  block.write('0', 156)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
