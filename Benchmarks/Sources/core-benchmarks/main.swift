proveCount()
let measurements = Measurements()
measurements.add("the measurement itself") { _ in 0 }
measurements.addDecisions()
measurements.addMeshDecisions()
measurements.addRecords()
measurements.addSchedules()
measurements.run()
