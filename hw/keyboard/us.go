package keyboard

import evdev "github.com/holoplot/go-evdev"

type key struct{ plain, shifted byte }

// us is the US layout, ANSI INCITS 154; the keypad is as with NumLock on. It is
// our own table, so that neither the console's keymap nor anybody's locale
// changes what a code says.
var us = map[uint16]key{
	evdev.KEY_GRAVE: {'`', '~'}, evdev.KEY_1: {'1', '!'}, evdev.KEY_2: {'2', '@'}, evdev.KEY_3: {'3', '#'},
	evdev.KEY_4: {'4', '$'}, evdev.KEY_5: {'5', '%'}, evdev.KEY_6: {'6', '^'}, evdev.KEY_7: {'7', '&'},
	evdev.KEY_8: {'8', '*'}, evdev.KEY_9: {'9', '('}, evdev.KEY_0: {'0', ')'},
	evdev.KEY_MINUS: {'-', '_'}, evdev.KEY_EQUAL: {'=', '+'},

	evdev.KEY_Q: {'q', 'Q'}, evdev.KEY_W: {'w', 'W'}, evdev.KEY_E: {'e', 'E'}, evdev.KEY_R: {'r', 'R'},
	evdev.KEY_T: {'t', 'T'}, evdev.KEY_Y: {'y', 'Y'}, evdev.KEY_U: {'u', 'U'}, evdev.KEY_I: {'i', 'I'},
	evdev.KEY_O: {'o', 'O'}, evdev.KEY_P: {'p', 'P'},
	evdev.KEY_LEFTBRACE: {'[', '{'}, evdev.KEY_RIGHTBRACE: {']', '}'}, evdev.KEY_BACKSLASH: {'\\', '|'},

	evdev.KEY_A: {'a', 'A'}, evdev.KEY_S: {'s', 'S'}, evdev.KEY_D: {'d', 'D'}, evdev.KEY_F: {'f', 'F'},
	evdev.KEY_G: {'g', 'G'}, evdev.KEY_H: {'h', 'H'}, evdev.KEY_J: {'j', 'J'}, evdev.KEY_K: {'k', 'K'},
	evdev.KEY_L: {'l', 'L'}, evdev.KEY_SEMICOLON: {';', ':'}, evdev.KEY_APOSTROPHE: {'\'', '"'},

	evdev.KEY_Z: {'z', 'Z'}, evdev.KEY_X: {'x', 'X'}, evdev.KEY_C: {'c', 'C'}, evdev.KEY_V: {'v', 'V'},
	evdev.KEY_B: {'b', 'B'}, evdev.KEY_N: {'n', 'N'}, evdev.KEY_M: {'m', 'M'},
	evdev.KEY_COMMA: {',', '<'}, evdev.KEY_DOT: {'.', '>'}, evdev.KEY_SLASH: {'/', '?'},
	evdev.KEY_SPACE: {' ', ' '},

	evdev.KEY_KP0: {'0', '0'}, evdev.KEY_KP1: {'1', '1'}, evdev.KEY_KP2: {'2', '2'}, evdev.KEY_KP3: {'3', '3'},
	evdev.KEY_KP4: {'4', '4'}, evdev.KEY_KP5: {'5', '5'}, evdev.KEY_KP6: {'6', '6'}, evdev.KEY_KP7: {'7', '7'},
	evdev.KEY_KP8: {'8', '8'}, evdev.KEY_KP9: {'9', '9'}, evdev.KEY_KPDOT: {'.', '.'}, evdev.KEY_KPSLASH: {'/', '/'},
	evdev.KEY_KPASTERISK: {'*', '*'}, evdev.KEY_KPMINUS: {'-', '-'}, evdev.KEY_KPPLUS: {'+', '+'},
}

var keypadDigits = map[uint16]int{
	evdev.KEY_KP0: 0, evdev.KEY_KP1: 1, evdev.KEY_KP2: 2, evdev.KEY_KP3: 3, evdev.KEY_KP4: 4,
	evdev.KEY_KP5: 5, evdev.KEY_KP6: 6, evdev.KEY_KP7: 7, evdev.KEY_KP8: 8, evdev.KEY_KP9: 9,
}
