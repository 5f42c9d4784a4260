package bus_test

import (
	"fmt"

	"github.com/hearken-go/hearken/bus"
)

func ExampleIdentityOf() {
	orders := bus.Topic{EventSource: "shop", Event: "order"}
	one, again := newEvent("shop", "17"), newEvent("shop", "17")
	fmt.Println(bus.IdentityOf(orders, one) == bus.IdentityOf(orders, again))
	fmt.Println(bus.IdentityOf(orders, one).Hash())
	// Output:
	// true
	// 4e8b45e426e051aa7a91cbc0eb69762d
}
