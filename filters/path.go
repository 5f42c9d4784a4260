package filters

import "strings"

// pathMistake says what is wrong with a gjson path, or "". gjson itself takes
// any text for a path and finds nothing.
func pathMistake(path string) string {
	switch {
	case path == "":
		return "the path is empty: @this is the whole data"
	case path == "$" || strings.HasPrefix(path, "$."):
		return "the path is JSONPath: gjson's begins with the first key"
	case strings.HasPrefix(path, ".") && !strings.HasPrefix(path, ".."):
		return "the path begins with a dot: gjson's begins with the first key"
	case strings.HasSuffix(path, ".") && !strings.HasSuffix(path, `\.`):
		return "the path ends with a dot"
	case !queriesClosed(path):
		return `the path has a query #(...) that is not closed`
	}
	return ""
}

// queriesClosed reports whether each #( in path has its parenthesis, as gjson
// counts them: not within quotes, nor after a backslash.
func queriesClosed(path string) bool {
	depth, quoted := 0, false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\':
			i++
		case depth == 0:
			if c == '#' && i+1 < len(path) && path[i+1] == '(' {
				depth, i = 1, i+1
			}
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
	}
	return depth == 0
}
