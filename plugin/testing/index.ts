export { brokerContract, type BrokerCase } from './broker-contract.ts'
export type { BrokerContractOptions } from './options.ts'
