package lines

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
)

// Security is how the program proves who it is: the file that is its second argument.
type Security struct {
	CaFile          string `json:"ca_file"`
	CertificateFile string `json:"certificate_file"`
	KeyFile         string `json:"key_file"`
	Mechanism       string `json:"mechanism"`
	Username        string `json:"username"`
	Password        string `json:"password"`
}

// SecurityOf reads it; nil is plaintext.
func SecurityOf(args []string) *Security {
	if len(args) < 3 {
		return nil
	}
	text, err := os.ReadFile(args[2])
	must(err)
	var found Security
	must(json.Unmarshal(text, &found))
	return &found
}

// TLS verifies host names, and shows a certificate where there is one.
func (s *Security) TLS() *tls.Config {
	authorities := x509.NewCertPool()
	text, err := os.ReadFile(s.CaFile)
	must(err)
	authorities.AppendCertsFromPEM(text)
	config := &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}
	if s.CertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(s.CertificateFile, s.KeyFile)
		must(err)
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}
