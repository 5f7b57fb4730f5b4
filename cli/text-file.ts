import { readFileSync } from 'node:fs'
import { CliError } from './cli-error.ts'

/**
 * Decodes text as editors and shells on every platform write it: UTF-8 with or without a byte order mark, or UTF-16
 * with one, as Windows PowerShell 5 writes it.
 */
export function decodeText(bytes: Uint8Array): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe
  return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes)
}

/** Splits a text at any line ends. */
export function linesOf(text: string): string[] {
  return text.split(/\r\n|\n|\r/)
}

/** @throws {CliError} if the file cannot be read */
export function readText(path: string): string {
  try {
    return decodeText(readFileSync(path))
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? error}`)
  }
}
