import t from 'tap'
import { build } from '../fixtures/app.ts'
import { replyMatrix } from '../fixtures/reply-matrix.ts'

process.on('warning', warning => { throw warning })

replyMatrix(t, build)
