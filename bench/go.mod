module github.com/hearken-go/hearken/bench

go 1.26.0

require github.com/hearken-go/hearken v0.1.0
require github.com/hearken-go/hearken/bus/natsbus v0.1.0
require github.com/hearken-go/hearken/bus/natsbus/embedded v0.1.0

replace github.com/hearken-go/hearken => ..
replace github.com/hearken-go/hearken/bus/natsbus => ../bus/natsbus
replace github.com/hearken-go/hearken/bus/natsbus/embedded => ../bus/natsbus/embedded
