import { buildPrograms } from './package.ts'

// For the container image, which copies dist/. `npm pack` builds by itself.
buildPrograms('dist')
