import t from 'tap'
import { idempotencyFaults } from '../../fixtures/broker-faults/idempotency.ts'
import { testCases } from '../../fixtures/broker-cases.ts'

testCases(t, idempotencyFaults)
