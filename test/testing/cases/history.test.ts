import t from 'tap'
import { historyFaults } from '../../fixtures/broker-faults/history.ts'
import { testCases } from '../../fixtures/broker-cases.ts'

testCases(t, historyFaults)
