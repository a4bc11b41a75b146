import t from 'tap'
import { publishFaults } from '../../fixtures/broker-faults/publish.ts'
import { testCases } from '../../fixtures/broker-cases.ts'

testCases(t, publishFaults)
