import t from 'tap'
import { expectationFaults } from '../../fixtures/broker-faults/expectation.ts'
import { testCases } from '../../fixtures/broker-cases.ts'

testCases(t, expectationFaults)
