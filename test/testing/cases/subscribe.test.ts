import t from 'tap'
import { subscribeFaults } from '../../fixtures/broker-faults/subscribe.ts'
import { testCases } from '../../fixtures/broker-cases.ts'

testCases(t, subscribeFaults)
