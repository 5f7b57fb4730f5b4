import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { attempt, type CommandResult, run } from '../support/command.ts'
import { ContainersStorage } from '../support/containers-storage.ts'
import { Dockerd } from '../support/dockerd.ts'
import { image } from '../support/images.ts'
import { writeLargeImage } from '../support/large-image.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { randomBatches, randomBytesOf } from '../support/random-bytes.ts'
import { findTool, type Requirements } from '../support/requirements.ts'
import { writeTar } from '../support/tar.ts'
import { TempDir } from '../support/temp-dir.ts'

/** An image with one layer that a client is ready to push. */
export interface PreparedImage {
  push(): Promise<CommandResult>
}

interface ImageRequest {
  /** Host, repository and tag. */
  readonly name: string
  /** Bytes of the layer before the client compresses it. They are incompressible. */
  readonly size: number
}

/** A client that sends each layer in one PATCH. */
export interface PatchClient extends AsyncDisposable {
  prepare(image: ImageRequest): Promise<PreparedImage>
}

export interface PatchClientKind {
  readonly name: string
  readonly needs: Requirements
  start(): Promise<PatchClient>
}

/** The Go compiler's cache of `.ci/clients/build`, which contains the standard library. */
const GO_CACHE = fileURLToPath(new URL('../../.ci/tools/gocache', import.meta.url))
const ROOT: Requirements = { root: true, linux: true }

export const PATCH_CLIENTS: readonly PatchClientKind[] = [
  { name: 'Docker Engine', needs: { ...ROOT, tools: ['docker', 'dockerd'] }, start: startDocker },
  { name: 'podman', needs: { ...ROOT, tools: ['podman'] }, start: () => startContainers('podman') },
  { name: 'buildah', needs: { ...ROOT, tools: ['buildah'] }, start: () => startContainers('buildah') },
  { name: 'skopeo', needs: { tools: ['skopeo'] }, start: startSkopeo },
  { name: 'crane', needs: { tools: ['crane'] }, start: startCrane },
  { name: 'ko', needs: { tools: ['ko', 'go', 'crane'] }, start: startKo },
  { name: 'jib', needs: { tools: ['jib'] }, start: startJib },
]

/** With the graph driver: the daemon's data folder and its configuration have no containerd store. */
async function startDocker(): Promise<PatchClient> {
  const scratch = new TempDir('longshore-docker-push-')
  const engine = await Dockerd.start()
  return {
    async prepare({ name, size }) {
      const file = { name: 'file.bin', size, content: randomBatches(name, size) }
      const archive = writeTar(scratch.join('import.tar'), [file])
      await engine.docker('import', archive, name)
      return { push: () => engine.attempt('push', name) }
    },
    async [Symbol.asyncDispose]() {
      await engine.stop()
      scratch.remove()
    },
  }
}

async function startContainers(command: 'podman' | 'buildah'): Promise<PatchClient> {
  const scratch = new TempDir(`longshore-${command}-push-`)
  const storage = new ContainersStorage(command)
  return {
    async prepare({ name, size }) {
      const archive = scratch.join('image.tar')
      writeLargeImage(archive, '1', name, size)
      const id = (await storage.run('pull', '--quiet', `oci-archive:${archive}`)).trim()
      await storage.run('tag', id, name)
      return { push: () => storage.attempt('push', '--tls-verify=false', name) }
    },
    async [Symbol.asyncDispose]() {
      await storage.stop()
      scratch.remove()
    },
  }
}

async function startSkopeo(): Promise<PatchClient> {
  const scratch = new TempDir('longshore-skopeo-push-')
  return {
    async prepare({ name, size }) {
      const archive = scratch.join('image.tar')
      writeLargeImage(archive, '1', name, size)
      const copy = ['--insecure-policy', 'copy', '--dest-tls-verify=false', `oci-archive:${archive}:1`]
      return { push: () => attempt('skopeo', [...copy, `docker://${name}`]) }
    },
    async [Symbol.asyncDispose]() {
      scratch.remove()
    },
  }
}

async function startCrane(): Promise<PatchClient> {
  const scratch = new TempDir('longshore-crane-push-')
  return {
    async prepare({ name, size }) {
      const archive = scratch.join('image.tar')
      writeLargeImage(archive, '1', name, size)
      const layout = scratch.folder(`layout-${name.replaceAll(/\W/g, '-')}`)
      await run('tar', ['-xf', archive, '-C', layout])
      return { push: () => attempt(findTool('crane') ?? 'crane', ['push', layout, name]) }
    },
    async [Symbol.asyncDispose]() {
      scratch.remove()
    },
  }
}

const KO_PROGRAM = `package main

import _ "embed"

//go:embed file.bin
var file string

func main() { println(len(file)) }
`

/** Ko builds a Go program and pushes it as a layer on a base image, which is in the same registry. */
async function startKo(): Promise<PatchClient> {
  const scratch = new TempDir('longshore-ko-push-')
  scratch.write('go.mod', 'module example.com/app\n\ngo 1.24\n')
  scratch.write('main.go', KO_PROGRAM)
  return {
    async prepare({ name, size }) {
      const [host = '', ...path] = name.split('/')
      scratch.write('file.bin', randomBytesOf(name, size))
      const base = `${host}/ko-base:1`
      const layout = writeLayout(scratch.folder(`base-${host.replace(':', '-')}`), { 1: image('base') })
      await run(findTool('crane') ?? 'crane', ['push', layout, base])
      const [repository, tag = ''] = path.join('/').split(':')
      const env = {
        KO_DOCKER_REPO: `${host}/${repository}`,
        KO_DEFAULTBASEIMAGE: base,
        KOCACHE: scratch.join('cache'),
        GOFLAGS: '-buildvcs=false',
        ...(existsSync(GO_CACHE) && { GOCACHE: GO_CACHE }),
      }
      const args = ['build', '--bare', '--tags', tag, '--sbom=none', '--platform=linux/amd64', './']
      return { push: () => attempt(findTool('ko') ?? 'ko', args, { cwd: scratch.path, env }) }
    },
    async [Symbol.asyncDispose]() {
      scratch.remove()
    },
  }
}

async function startJib(): Promise<PatchClient> {
  const scratch = new TempDir('longshore-jib-push-')
  return {
    async prepare({ name, size }) {
      const folder = `output-${name.replaceAll(/\W/g, '-')}`
      const output = scratch.folder(folder)
      const files = scratch.folder(`${folder}/files`)
      // Jib requires the folder of compiled classes.
      scratch.folder(`${folder}/classes`)
      writeTar(`${output}/file.tar`, [{ name: 'file.bin', size, content: randomBatches(name, size) }])
      await run('tar', ['-xf', `${output}/file.tar`, '-C', files])
      const settings = [
        `-Doutput=${output}`,
        `-Djib.to.image=${name}`,
        `-Djib.extraDirectories.paths=${files}`,
        '-Djib.useOnlyProjectCache=true',
      ]
      return { push: () => attempt(findTool('jib') ?? 'jib', ['jib:build', ...settings]) }
    },
    async [Symbol.asyncDispose]() {
      scratch.remove()
    },
  }
}
