import { digestOf } from './random-bytes.ts'
import { type TarFile, tarFile, writeTar } from './tar.ts'

/**
 * Writes an archive for `docker load`: an image with these layers.
 * @param layers tar archives.
 * @returns the image id
 */
export function writeDockerArchive(path: string, name: string, layers: readonly Buffer[]): string {
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map(layer => digestOf(layer)) },
      history: layers.map(() => ({ created: '2026-01-01T00:00:00Z' })),
    }),
  )
  const id = digestOf(config)
  const files: TarFile[] = layers.map((layer, at) => tarFile(`${at}.tar`, layer))
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: layers.map((_, at) => `${at}.tar`) }]
  writeTar(path, [
    ...files,
    tarFile('config.json', config),
    tarFile('manifest.json', JSON.stringify(manifest)),
  ])
  return id
}
