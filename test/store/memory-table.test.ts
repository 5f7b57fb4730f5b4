import { tableContract } from '../contracts/table.ts'
import { MemoryTable } from '../support/memory-table.ts'

tableContract(async () => ({ table: new MemoryTable(), close: async () => {} }))
