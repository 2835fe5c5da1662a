export {
  type InstrumentOptions,
  instrument,
  type MeterProviderLike,
  type Observed,
  type Telemetry,
  type TracerProviderLike,
} from './instrument.ts';
