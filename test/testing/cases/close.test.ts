import t from 'tap'
import { closeFaults } from '../../fixtures/broker-faults/close.ts'
import { testCases } from '../../fixtures/broker-cases.ts'

testCases(t, closeFaults)
